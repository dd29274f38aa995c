//! `bench AREA [--quick | --short] [--only PREFIX]`: measures, prints a table, writes `target/bench/AREA.jsonl`.
//!
//! `scripts/bench` builds what is needed and runs this from the root of the repository.

#![forbid(unsafe_code)]

use std::path::Path;
use std::process::{Command, ExitCode};

use bench::area::Area;
use bench::harness::Plan;
use bench::row::{self, Allocations};
use linchpin::error::ResultExt as _;
use linchpin::{Error, Kind, Result};

const RESULTS: &str = "target/bench";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(job) = parse(&args) else {
        eprintln!(
            "usage: bench AREA [--quick | --short] [--only PREFIX]\nareas:\n{}",
            Area::list()
        );
        return ExitCode::from(2);
    };
    match run(&job) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench {}: {}", job.area.name, error.report());
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
struct Job {
    area: &'static Area,
    short: bool,
    /// How the names of the rows begin that are measured; of an area that measures itself, all are.
    only: String,
}

fn parse(args: &[String]) -> Option<Job> {
    let (area, mut flags) = args.split_first()?;
    let mut job = Job { area: Area::find(area)?, short: false, only: String::new() };
    loop {
        flags = match flags {
            [] => return Some(job),
            // Two words for one thing: quick samples, a short load.
            [flag, rest @ ..] if flag == "--quick" || flag == "--short" => {
                job.short = true;
                rest
            }
            [flag, prefix, rest @ ..] if flag == "--only" => {
                job.only.clone_from(prefix);
                rest
            }
            _ => return None,
        };
    }
}

fn run(Job { area, short, only }: &Job) -> Result<()> {
    let plan = if *short { Plan::QUICK } else { Plan::FULL };
    let mut operations = (area.operations)();
    operations.retain(|operation| operation.name.starts_with(only));
    if operations.is_empty() && !only.is_empty() {
        let why = format!("no row of area {} begins with {only:?}", area.name);
        return Err(Error::new(Kind::InvalidArgument, why));
    }
    let counted = if operations.is_empty() { Vec::new() } else { allocations(area, only)? };

    let mut rows = Vec::new();
    for operation in operations {
        eprintln!("measuring {}", operation.name);
        rows.extend(plan.measure(area.name, operation));
    }
    let report = (area.rest)(*short)?;
    rows.extend(report.rows);
    row::merge(&mut rows, &counted);

    print!("{}", row::table(&rows));
    let path = row::write(Path::new(RESULTS), area.name, &rows)?;
    println!("\n{} rows in {}", rows.len(), path.display());
    if let Some(verdict) = report.verdict {
        println!("{verdict}");
    }
    Ok(())
}

/// Runs the binary beside this one: a counting allocator would slow down what is measured here.
fn allocations(area: &Area, only: &str) -> Result<Vec<Allocations>> {
    let program = std::env::current_exe().kind(Kind::Internal)?.with_file_name("bench-allocations");
    let output = Command::new(&program)
        .args([area.name, only])
        .output()
        .kind(Kind::Unavailable)
        .context(format!("run {}", program.display()))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::new(Kind::Internal, why).context("count allocations"));
    }
    serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter()
        .collect::<Result<_, _>>()
        .kind(Kind::Internal)
        .context("read the counts of allocations")
}
