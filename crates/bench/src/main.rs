//! `bench AREA [--quick | --short]`: measures, prints a table, writes `target/bench/AREA.jsonl`.
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
    let Some((area, short)) = parse(&args) else {
        eprintln!("usage: bench AREA [--quick | --short]\nareas:\n{}", Area::list());
        return ExitCode::from(2);
    };
    match run(area, short) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench {}: {}", area.name, error.report());
            ExitCode::FAILURE
        }
    }
}

fn parse(args: &[String]) -> Option<(&'static Area, bool)> {
    let (area, flags) = args.split_first()?;
    // Two words for one thing: quick samples, a short load.
    let short = !flags.is_empty();
    let known = flags.iter().all(|flag| flag == "--quick" || flag == "--short");
    Some((Area::find(area)?, short)).filter(|_| known)
}

fn run(area: &'static Area, short: bool) -> Result<()> {
    let plan = if short { Plan::QUICK } else { Plan::FULL };
    let operations = (area.operations)();
    let counted = if operations.is_empty() { Vec::new() } else { allocations(area)? };

    let mut rows = Vec::new();
    for operation in operations {
        eprintln!("measuring {}", operation.name);
        rows.extend(plan.measure(area.name, operation));
    }
    let report = (area.rest)(short)?;
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
fn allocations(area: &Area) -> Result<Vec<Allocations>> {
    let program = std::env::current_exe().kind(Kind::Internal)?.with_file_name("bench-allocations");
    let output = Command::new(&program)
        .arg(area.name)
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
