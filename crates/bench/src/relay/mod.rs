//! Area `relay`: the release binary as a child process, a cheap receiver and a cheap load generator.
//!
//! Everything shares the machine, so the figures hold for service, load and receiver together.
//! Latencies are counted from the moment a message was *scheduled* to be sent to its arrival at the
//! receiver: a service that stalls cannot hide it by stalling the generator too.

mod http;
mod load;
mod million;
mod neighbours;
mod phases;
mod receiver;
mod recorded;
mod service;
mod single;

use std::fmt;
use std::path::Path;

use linchpin::error::ResultExt as _;
use linchpin::{Kind, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub use self::million::run as million;
pub use self::neighbours::run as neighbours;
use self::phases::{Bench, Size};
use crate::area::Report;
use crate::row::{Role, Row, figure};
use crate::stats::Summary;

/// A figure that Relay must reach.
struct Aim {
    row: &'static str,
    /// What the figure is, after it.
    what: &'static str,
    bound: Bound,
}

/// Where a figure must lie.
#[derive(Clone, Copy, Debug)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// What Relay must reach, all in one run on two processors.
const AIMS: &[Aim] = &[
    aim("relay-accept-64", "/s accepted at 64 connections", Bound::AtLeast(5_000.0)),
    aim("relay-fanout-10", " deliveries/s to ten endpoints", Bound::AtLeast(10_000.0)),
    aim("relay-e2e-p99", " ms end-to-end p99 at 200/s", Bound::AtMost(20.0)),
    aim("relay-cpu", " CPU s per 1,000 at 200/s", Bound::AtMost(0.49)),
    aim("relay-sustain-cpu", " paced by deliveries", Bound::AtMost(0.35)),
    aim("relay-sustain-10-cpu", " per 1,000 deliveries to ten endpoints", Bound::AtMost(0.10)),
    aim("relay-rss-idle", " MiB idle", Bound::AtMost(40.0)),
    aim("relay-rss-100k", " MiB after 100,000 at full load", Bound::AtMost(100.0)),
];

/// What the verdict of a short run ends in.
const NOT_TO_QUOTE: &str = " [a short run: no figures to quote]";

/// Measures the service; a short run proves that everything is delivered and little else.
///
/// # Errors
///
/// If the service cannot be started or fails, and if anything it accepted is not delivered.
pub fn load(short: bool) -> Result<Report> {
    let size = if short { Size::SHORT } else { Size::FULL };
    let mut rows = in_folder(async |folder: &Path| measure(folder, size).await)?;
    let mut verdict = verdict(&rows);
    if short {
        verdict += NOT_TO_QUOTE;
    }
    for record in recorded::rows() {
        // Beside what it is compared with.
        let after = rows.iter().rposition(|row| row.operation == record.operation);
        if let Some(index) = after {
            rows.insert(index + 1, record);
        }
    }
    Ok(Report { rows, verdict: Some(verdict) })
}

/// Runs the load generator, in a new folder for databases on a disk.
fn in_folder<T>(load: impl AsyncFnOnce(&Path) -> Result<T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .kind(Kind::ResourceExhausted)
        .context("start the load generator")?;
    let folder = tempfile::Builder::new()
        .prefix("bench-relay-")
        .tempdir_in(Path::new("target"))
        .kind(Kind::Unavailable)
        .context("make a folder in the target folder")?;
    // Connections of load and receivers: each end is a file.
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })
        .kind(Kind::ResourceExhausted)
        .context("have more files open")?;
    runtime.block_on(load(folder.path()))
}

async fn measure(folder: &Path, size: Size) -> Result<Vec<Row>> {
    let mut bench = Bench::start(&folder.join("load"), size).await?;
    bench.steady().await?;
    for connections in [1, 16, 64] {
        bench.accept(connections).await?;
    }
    bench.deliver().await?;
    bench.fan_out().await?;
    bench.sustain().await?;
    bench.single_commit(&folder.join("single")).await?;
    let mut rows = bench.finish().await?;
    if let Some(messages) = size.memory {
        let mut fresh = Bench::start(&folder.join("memory"), size).await?;
        fresh.memory(messages).await?;
        rows.extend(fresh.finish().await?);
    }
    Ok(rows)
}

/// A row of ours.
fn row(operation: impl Into<String>, unit: &'static str, summary: Summary) -> Row {
    Row::new("relay", operation, ("relay", Role::Ours), unit, summary)
}

/// A figure of a row. Not a number, which meets no aim, if it is not there.
fn found(rows: &[Row], operation: &str, figure: impl Fn(&Row) -> f64) -> f64 {
    rows.iter().find(|row| row.operation == operation).map_or(f64::NAN, figure)
}

/// Whether an aim was met.
fn word(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

const fn aim(row: &'static str, what: &'static str, bound: Bound) -> Aim {
    Aim { row, what, bound }
}

impl Bound {
    fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(aim) => figure >= aim,
            Self::AtMost(aim) => figure <= aim,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(aim) => write!(f, ">= {aim}"),
            Self::AtMost(aim) => write!(f, "<= {aim}"),
        }
    }
}

/// The figures against the aims, in one line.
fn verdict(rows: &[Row]) -> String {
    let told = |Aim { row, what, bound }: &Aim| {
        let median = found(rows, row, |row| row.median);
        format!("{}{what} (aim {bound}: {})", figure(median), word(bound.is_met(median)))
    };
    format!("relay: {}", AIMS.iter().map(told).collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::{Summary, row, verdict};

    #[test]
    fn the_verdict_tells_met_from_missed_and_calls_nothing_met_that_was_not_measured() {
        let rows = [
            row("relay-accept-64", "/s", Summary::of_one(5_000.0)),
            row("relay-cpu", "s/1000", Summary::of_one(0.5)),
        ];
        let line = verdict(&rows);
        assert!(line.contains("5000/s accepted at 64 connections (aim >= 5000: met)"), "{line}");
        assert!(line.contains("0.500 CPU s per 1,000 at 200/s (aim <= 0.49: MISSED)"), "{line}");
        assert!(line.contains("NaN ms end-to-end p99 at 200/s (aim <= 20: MISSED)"), "{line}");
    }
}
