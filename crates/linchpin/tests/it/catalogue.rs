//! PATTERNS.md tells the truth: every row is there, and what a filled row points at exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The groups and how many patterns each has: 65 in all.
const GROUPS: [(char, usize); 10] = [
    ('L', 7),
    ('E', 6),
    ('C', 9),
    ('N', 8),
    ('D', 7),
    ('P', 6),
    ('S', 5),
    ('T', 7),
    ('U', 6),
    ('X', 4),
];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

struct Row {
    id: String,
    state: String,
    /// Everything in backticks in the cells after the state.
    pointers: Vec<String>,
}

fn rows(text: &str) -> Vec<Row> {
    text.lines()
        .filter_map(|line| line.strip_prefix("| "))
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_end_matches('|').split(" | ").map(str::trim).collect();
            let id = cells.first()?;
            let is_id = id.starts_with(|c: char| c.is_ascii_uppercase())
                && id.len() > 1
                && id[1..].chars().all(|c| c.is_ascii_digit());
            is_id.then(|| Row {
                id: (*id).to_owned(),
                state: (*cells.get(2).unwrap_or(&"")).to_owned(),
                pointers: cells[3.min(cells.len())..]
                    .iter()
                    .flat_map(|cell| ticked(cell))
                    .collect(),
            })
        })
        .collect()
}

fn ticked(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What is wrong with the catalogue `text`, if anything.
fn faults(text: &str) -> Vec<String> {
    let rows = rows(text);
    let mut faults = Vec::new();
    let wanted: BTreeSet<String> = GROUPS
        .iter()
        .flat_map(|(group, count)| (1..=*count).map(move |n| format!("{group}{n}")))
        .collect();
    let found: BTreeSet<String> = rows.iter().map(|row| row.id.clone()).collect();
    if rows.len() != found.len() || wanted != found {
        faults.push(format!("rows missing, unknown or twice: {:?}", &wanted ^ &found));
    }
    for Row { id, state, pointers } in rows {
        match state.as_str() {
            "open" if !pointers.is_empty() => {
                faults.push(format!("{id} is open and points at something"));
            }
            "open" => {}
            "begun" | "done" if pointers.is_empty() => {
                faults.push(format!("{id} points at nothing"));
            }
            "begun" | "done" => faults.extend(
                pointers.iter().filter(|at| !exists(at)).map(|at| format!("{id}: no `{at}`")),
            ),
            other => faults.push(format!("{id}: the state `{other}` is not open, begun or done")),
        }
    }
    faults
}

/// Whether a path of the repository or of a Rust item exists.
fn exists(pointer: &str) -> bool {
    if pointer.contains('/') {
        return root().join(pointer).exists();
    }
    let mut segments: Vec<&str> = pointer.split("::").collect();
    let Some(item) = segments.pop() else { return false };
    if segments.is_empty() {
        return false;
    }
    let source = root().join("crates").join(segments.remove(0).replace('_', "-")).join("src");
    // A module may have private parts: the item counts if any file of its module declares or re-exports it.
    let folder = segments.iter().fold(source.clone(), |path, segment| path.join(segment));
    let mut files = vec![folder.with_extension("rs")];
    if let Ok(entries) = fs::read_dir(&folder) {
        files.extend(entries.filter_map(Result::ok).map(|entry| entry.path()));
    }
    if segments.is_empty() {
        files.push(source.join("lib.rs"));
    }
    files.iter().filter(|file| file.is_file()).any(|file| declares(file, item))
}

fn declares(file: &Path, item: &str) -> bool {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().any(|line| {
        let mut words =
            line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty());
        words.next() == Some("pub")
            && words
                .find(|word| !matches!(*word, "const" | "async" | "crate" | "super"))
                .is_some_and(|word| {
                    matches!(
                        word,
                        "struct" | "enum" | "fn" | "trait" | "type" | "mod" | "static" | "use"
                    ) || word.chars().all(char::is_uppercase)
                })
            && line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == item)
    })
}

#[test]
fn the_catalogue_is_true() {
    let text = fs::read_to_string(root().join("PATTERNS.md")).expect("PATTERNS.md");
    assert_eq!(faults(&text), Vec::<String>::new());
}

#[test]
fn a_false_catalogue_is_caught() {
    let text = fs::read_to_string(root().join("PATTERNS.md")).expect("PATTERNS.md");
    let row = "| C7 | errgroup | begun | `linchpin::task::Group` |";
    assert_eq!(faults(row).len(), 1, "only the missing rows: {:?}", faults(row));
    for planted in [
        "| C7 | errgroup | begun | `linchpin::task::NoSuchGroup` |",
        "| C7 | errgroup | begun | `crates/linchpin/tests/it/no_such_file.rs` |",
        "| C7 | errgroup | begun | nothing |",
        "| C7 | errgroup | almost | `linchpin::task::Group` |",
        "| C7 | errgroup | open | `linchpin::task::Group` |",
    ] {
        assert_eq!(faults(planted).len(), 2, "{planted}: {:?}", faults(planted));
    }
    let without: String = text
        .lines()
        .filter(|line| !line.starts_with("| U4 "))
        .fold(String::new(), |all, line| all + line + "\n");
    assert!(faults(&without).iter().any(|fault| fault.contains("U4")));
}
