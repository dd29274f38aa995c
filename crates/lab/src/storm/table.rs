//! The table.

use std::fmt::Write as _;

use super::{Plan, Report};

/// The reports, a row each.
#[must_use]
pub fn table(plan: &Plan, reports: &[Report]) -> String {
    let mut text = format!(
        "seed {}, {} clients, {} workers\n\n{:<10} {:>8} {:>8} {:>8} {:>7} {:>9} {:>8} {:>9}\n",
        plan.seed,
        plan.clients,
        plan.workers,
        "variant",
        "before",
        "storm",
        "after",
        "load",
        "p99",
        "wasted",
        "recovers"
    );
    for report in reports {
        let Report { name, goodput: [before, storm, after], load, p99, wasted, recovers, .. } =
            report;
        let recovers = recovers.map_or("never".to_owned(), |seconds| format!("{seconds} s"));
        let p99 = format!("{} ms", p99.as_millis());
        writeln!(
            text,
            "{name:<10} {before:>8.0} {storm:>8.0} {after:>8.0} {load:>7.2} {p99:>9} {wasted:>8} {recovers:>9}"
        )
        .expect("a string takes whatever is written");
    }
    text
}
