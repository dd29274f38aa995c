//! What svix-server 1.100.0 reached with PostgreSQL 15 and Redis 7.
//!
//! Measured in November 2026 on a machine like the one this was written on (2 processors, payload of
//! 1 KiB, load generator beside it), **not in this run**: they say which order of size to expect.

use crate::row::{Role, Row};
use crate::stats::Summary;

const SVIX: &str = "svix-server 1.100.0, PostgreSQL, Redis";

/// Operation, unit, figure. Processor time counts all three processes, memory svix-server alone.
const FIGURES: &[(&str, &str, f64)] = &[
    ("relay-accept-1", "/s", 282.0),
    ("relay-accept-16", "/s", 602.0),
    ("relay-accept-64", "/s", 664.0),
    ("relay-fanout-10", "/s", 1_766.0),
    ("relay-sustain", "/s", 517.0),
    ("relay-sustain-cpu", "s/1000", 3.51),
    ("relay-sustain-10", "/s", 1_766.0),
    ("relay-sustain-10-cpu", "s/1000", 1.01),
    ("relay-e2e-p50", "ms", 4.0),
    ("relay-e2e-p99", "ms", 20.0),
    ("relay-create-p50", "ms", 3.0),
    ("relay-create-p99", "ms", 16.0),
    ("relay-cpu", "s/1000", 4.94),
    ("relay-cpu-64", "s/1000", 2.74),
    ("relay-rss-idle", "MiB", 43.0),
    ("relay-rss-100k", "MiB", 100.0),
];

/// The figures as rows.
pub(super) fn rows() -> impl Iterator<Item = Row> {
    FIGURES.iter().map(|&(operation, unit, figure)| {
        Row::new("relay", operation, (SVIX, Role::Recorded), unit, Summary::of_one(figure))
    })
}
