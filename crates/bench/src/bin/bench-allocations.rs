//! `bench-allocations AREA [PREFIX]`: how often each subject allocates per operation, a JSON line each.
//!
//! A binary of its own, because its counting allocator would slow down what `bench` measures.

#![forbid(unsafe_code)]

use std::alloc::System;
use std::process::ExitCode;

use bench::area::Area;
use bench::row::Allocations;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Fills caches and lazily made state, which belong to no operation.
const WARM_UP: u64 = 1_000;
/// So many that what a batch allocates once disappears in the hundredths.
const OPERATIONS: u64 = 20_000;

fn main() -> ExitCode {
    let Some(area) = std::env::args().nth(1).as_deref().and_then(Area::find) else {
        eprintln!("usage: bench-allocations AREA [PREFIX]\nareas:\n{}", Area::list());
        return ExitCode::from(2);
    };
    let only = std::env::args().nth(2).unwrap_or_default();
    for mut operation in (area.operations)() {
        let name = operation.name;
        if !name.starts_with(&only) {
            continue;
        }
        for subject in operation.subjects() {
            if subject.run(WARM_UP).is_none() {
                continue;
            }
            let region = Region::new(ALLOCATOR);
            subject.run(OPERATIONS);
            let change = region.change();
            let each = (change.allocations + change.reallocations) as f64 / OPERATIONS as f64;
            let count = Allocations {
                operation: name.to_owned(),
                subject: subject.name.to_owned(),
                allocations: (each * 100.0).round() / 100.0,
            };
            println!("{}", serde_json::to_string(&count).expect("three plain members"));
        }
    }
    ExitCode::SUCCESS
}
