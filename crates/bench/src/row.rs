//! What a measurement says, as a line for machines and as a table for people.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use linchpin::error::ResultExt as _;
use linchpin::{Kind, Result};
use serde::{Deserialize, Serialize};

use crate::stats::Summary;

/// One measured subject: a line of `target/bench/AREA.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names are the documentation of the format")]
pub struct Row {
    pub area: &'static str,
    pub operation: String,
    pub subject: String,
    pub role: Role,
    pub unit: &'static str,
    pub median: f64,
    pub low: f64,
    pub high: f64,
    /// Allocations per operation, from a pass of their own; `None` where none was made.
    pub allocations: Option<f64>,
}

/// Why a subject is in the table.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A component of this project.
    Ours,
    /// What somebody would use instead.
    Peer,
    /// What cannot be beaten on this machine.
    Floor,
    /// A figure that was not taken in this run, for orientation only.
    Recorded,
}

/// Allocations of one subject per operation, as `bench-allocations` prints it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names are those of `Row`")]
pub struct Allocations {
    pub operation: String,
    pub subject: String,
    pub allocations: f64,
}

// ===== impl Row =====

impl Row {
    /// A row without allocations.
    #[must_use]
    pub fn new(
        area: &'static str,
        operation: impl Into<String>,
        (subject, role): (impl Into<String>, Role),
        unit: &'static str,
        summary: Summary,
    ) -> Self {
        Self {
            area,
            operation: operation.into(),
            subject: subject.into(),
            role,
            unit,
            median: rounded(summary.median),
            low: rounded(summary.low),
            high: rounded(summary.high),
            allocations: None,
        }
    }
}

impl Role {
    /// As it stands in a row.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Peer => "peer",
            Self::Floor => "floor",
            Self::Recorded => "recorded",
        }
    }
}

/// Puts counted allocations into the rows of the same operation and subject.
pub fn merge(rows: &mut [Row], counted: &[Allocations]) {
    for row in rows.iter_mut().filter(|row| row.role != Role::Recorded) {
        let same =
            |count: &&Allocations| count.operation == row.operation && count.subject == row.subject;
        row.allocations = counted.iter().find(same).map(|count| count.allocations);
    }
}

/// Writes `FOLDER/AREA.jsonl` anew and says where.
///
/// # Errors
///
/// If the disk refuses.
pub fn write(folder: &Path, area: &str, rows: &[Row]) -> Result<PathBuf> {
    let mut text = String::new();
    for row in rows {
        text += &serde_json::to_string(row).kind(Kind::Internal)?;
        text.push('\n');
    }
    let path = folder.join(format!("{area}.jsonl"));
    fs::create_dir_all(folder).kind(Kind::Unavailable).context("make the folder of results")?;
    fs::write(&path, text).kind(Kind::Unavailable).context("write the results")?;
    Ok(path)
}

/// The rows as a table for people, an empty line between operations.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let widest = |cell: fn(&Row) -> &str, title: &str| {
        rows.iter().map(|row| cell(row).chars().count()).max().unwrap_or(0).max(title.len())
    };
    let operation = widest(|row| &row.operation, "operation");
    let subject = widest(|row| &row.subject, "subject");
    let unit = widest(|row| row.unit, "unit");
    let mut text = format!(
        "{:operation$}  {:subject$}  {:8}  {:>10}  {:>10}  {:>10}  {:unit$}  allocations\n",
        "operation", "subject", "role", "median", "low", "high", "unit"
    );
    let mut before = None;
    for row in rows {
        if before.is_some_and(|name| name != &row.operation) {
            text.push('\n');
        }
        before = Some(&row.operation);
        let count = row.allocations.map_or_else(|| "-".to_owned(), |count| count.to_string());
        writeln!(
            text,
            "{:operation$}  {:subject$}  {:8}  {:>10}  {:>10}  {:>10}  {:unit$}  {count:>11}",
            row.operation,
            row.subject,
            row.role.as_str(),
            figure(row.median),
            figure(row.low),
            figure(row.high),
            row.unit,
        )
        .expect("a string takes what is written to it");
    }
    text
}

/// Three digits that count, never in exponents.
#[must_use]
pub fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        above if above >= 100.0 => 0,
        above if above >= 10.0 => 1,
        above if above >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// To thousandths: more digits than any clock here is good for.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::{Allocations, Role, Row, Summary, merge};

    fn row(subject: &str, role: Role) -> Row {
        Row::new("floor", "load", (subject, role), "ns", Summary::of_one(0.123_456))
    }

    #[test]
    fn a_line_has_exactly_the_members_that_readers_expect() {
        let line = serde_json::to_string(&row("AtomicU64", Role::Floor)).expect("a line");
        assert_eq!(
            line,
            r#"{"area":"floor","operation":"load","subject":"AtomicU64","role":"floor","unit":"ns","#
                .to_owned()
                + r#""median":0.123,"low":0.123,"high":0.123,"allocations":null}"#
        );
    }

    #[test]
    fn allocations_reach_their_subject_and_no_recorded_row() {
        let mut rows = [row("a", Role::Ours), row("b", Role::Peer), row("a", Role::Recorded)];
        let counted =
            [Allocations { operation: "load".into(), subject: "a".into(), allocations: 1.0 }];
        merge(&mut rows, &counted);
        assert_eq!(rows.map(|row| row.allocations), [Some(1.0), None, None]);
    }
}
