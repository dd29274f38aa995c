//! How answers are shown: as a table for people, as the API said them for programs.

use std::io::{ErrorKind, IsTerminal as _, Write as _};

use bytes::Bytes;
use clap::ValueEnum;
use linchpin::{Error, Kind};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::call::Failure;
use super::verb::Column;

/// What to write.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Format {
    /// Columns, cut to the width of the terminal.
    Table,
    /// What the API said, to the byte.
    Json,
    /// Each item on a line of its own.
    Ndjson,
}

/// A page of a list. Items are kept as they came.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) data: Vec<Box<RawValue>>,
    #[serde(default)]
    pub(super) iterator: Option<String>,
    #[serde(default = "yes")]
    pub(super) done: bool,
}

/// Tells on a terminal how something gets on, in one line that the next one replaces.
pub(super) struct Progress {
    shown: bool,
}

/// Between columns.
const GAP: usize = 2;

fn yes() -> bool {
    true
}

// ===== impl Format =====

impl Format {
    /// A table for a terminal, JSON for a pipe.
    pub(super) fn fitting() -> Self {
        if std::io::stdout().is_terminal() { Self::Table } else { Self::Json }
    }

    /// Shows an object, or nothing if there is nothing.
    pub(super) fn one(self, body: &Bytes) -> Result<(), Failure> {
        if body.is_empty() {
            return Ok(());
        }
        match self {
            Self::Json => print(&format!("{}\n", String::from_utf8_lossy(body))),
            Self::Ndjson => print(&format!("{}\n", on_a_line(&String::from_utf8_lossy(body)))),
            Self::Table => print(&members(&parsed::<Value>(body)?)),
        }
    }

    /// Shows items: as a table of `columns`, as one array, or each on a line.
    pub(super) fn many(self, items: &[Box<RawValue>], columns: &[Column]) -> Result<(), Failure> {
        match self {
            Self::Json => {
                let all: Vec<_> = items.iter().map(|item| item.get()).collect();
                print(&format!("{{\"data\":[{}],\"done\":true}}\n", all.join(",")))
            }
            Self::Ndjson => {
                print(&items.iter().map(|item| on_a_line(item.get()) + "\n").collect::<String>())
            }
            Self::Table => {
                let items = items.iter().map(|item| parsed(item.get().as_bytes()));
                print(&table(&items.collect::<Result<Vec<_>, _>>()?, columns, width()))
            }
        }
    }
}

/// What was answered, as `T`.
pub(super) fn parsed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> linchpin::Result<T> {
    serde_json::from_slice(body).map_err(|fault| {
        Error::new(Kind::Internal, fault).context("what was answered is not what Relay says")
    })
}

/// Writes to the standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(fault) if fault.kind() == ErrorKind::BrokenPipe => Err(Failure::Closed),
        Err(fault) => Err(Error::new(Kind::Internal, fault).context("write the answer").into()),
    }
}

/// Raw line breaks of JSON are blanks: texts have theirs escaped.
fn on_a_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

/// The width of the terminal; none for a pipe, which cuts nothing.
fn width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// The members of an object, a line each.
fn members(value: &Value) -> String {
    let Value::Object(members) = value else { return cell(value) + "\n" };
    let longest = members.keys().map(|name| name.chars().count()).max().unwrap_or(0) + GAP;
    let line = |(name, value)| format!("{name:longest$}{}\n", cell(value));
    members.iter().map(line).collect()
}

fn table(items: &[Value], columns: &[Column], width: Option<usize>) -> String {
    let titles = columns.iter().map(|column| column.title.to_owned()).collect();
    let row = |item: &Value| {
        columns
            .iter()
            .map(|column| {
                item.pointer(column.path).map_or_else(String::new, |it| shown(column, it))
            })
            .collect()
    };
    let rows: Vec<Vec<String>> = std::iter::once(titles).chain(items.iter().map(row)).collect();
    let widest = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join(&" ".repeat(GAP));
        cut(line.trim_end(), width.unwrap_or(usize::MAX)) + "\n"
    };
    rows.iter().map(line).collect()
}

/// The line, and a mark in its last place if it is longer than that.
fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

fn shown(column: &Column, value: &Value) -> String {
    let text = cell(value);
    match text.split_once('.') {
        Some((second, _)) if column.is_moment => format!("{second}Z"),
        _ => text,
    }
}

/// A value as a person reads it. What could move the cursor is not let through: it may come from anybody.
pub(super) fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    };
    text.replace(char::is_control, "\u{fffd}")
}

// ===== impl Progress =====

impl Progress {
    /// Tells nothing unless errors go to a terminal.
    pub(super) fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal() }
    }

    /// Replaces what was told before.
    pub(super) fn tell(&self, text: &str) {
        if self.shown {
            eprint!("\r\x1b[K{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.tell("");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[Column::new("ID", "/id"), Column::new("SENT", "/data/sent")];

    #[linchpin_testing::test]
    fn a_table_is_as_wide_as_its_widest_cells_and_cut_to_the_terminal() {
        let items = [json!({"id": "a long id", "data": {"sent": 12345}}), json!({"id": "b"})];
        let full = table(&items, COLUMNS, None);
        assert_eq!(full, "ID         SENT\na long id  12345\nb\n");
        assert_eq!(table(&items, COLUMNS, Some(13)), "ID         S…\na long id  1…\nb\n");
        assert_eq!(table(&items, COLUMNS, Some(16)), full);
    }

    #[linchpin_testing::test]
    fn a_moment_in_a_table_is_a_second() {
        let columns = [Column::moment("AT", "/at"), Column::new("V", "/v")];
        let item = json!({"at": "2026-11-28T14:55:00.387501Z", "v": "1.5"});
        assert_eq!(
            table(&[item], &columns, None),
            "AT                    V\n2026-11-28T14:55:00Z  1.5\n"
        );
    }

    #[linchpin_testing::test]
    fn what_a_stranger_wrote_moves_no_cursor() {
        let shown = members(&json!({"name": "\u{1b}[2Jgone\n", "types": ["a", "b"], "uid": null}));
        assert_eq!(shown, "name   \u{fffd}[2Jgone\u{fffd}\ntypes  a,b\nuid    \n");
    }

    #[linchpin_testing::test]
    fn an_item_is_a_line() {
        assert_eq!(on_a_line("{\"a\":\n1,\r\n\"b\":\"\\n\"}"), "{\"a\": 1,  \"b\":\"\\n\"}");
    }
}
