//! The guide's tables tell the truth: what a parity or a panic table claims has a test of that name.
//!
//! A table is judged if the header of its last column is `our test`, `tests` or `test`. Each name in backticks there is
//! that of a test, with or without its module in front. A row that says `same` in another column must name one.

use std::collections::BTreeSet;

use syn::ItemFn;
use syn::visit::{self, Visit};

use crate::catalogue::root;
use crate::source::{files, relative, sources};

const HEADERS: [&str; 3] = ["our test", "tests", "test"];

/// The functions of the workspace that a test runner runs.
fn tests() -> BTreeSet<String> {
    let mut tests = Tests::default();
    for (_, text) in sources() {
        tests.visit_file(&syn::parse_file(&text).expect("Rust"));
    }
    tests.0
}

#[derive(Default)]
struct Tests(BTreeSet<String>);

impl<'ast> Visit<'ast> for Tests {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        // `#[test]`, `#[tokio::test]`, `#[rstest]`.
        let is_test = item.attrs.iter().any(|attribute| {
            attribute
                .path()
                .segments
                .last()
                .is_some_and(|last| last.ident == "test" || last.ident == "rstest")
        });
        if is_test {
            self.0.insert(item.sig.ident.to_string());
        }
        visit::visit_item_fn(self, item);
    }
}

/// The cells of a line of a table. A `|` in backticks, or behind a backslash, is text.
fn cells(line: &str) -> Option<Vec<String>> {
    let inside = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let mut cells = vec![String::new()];
    let (mut code, mut escaped) = (false, false);
    for c in inside.chars() {
        code ^= c == '`';
        match (c, code || escaped) {
            ('|', false) => cells.push(String::new()),
            _ => cells.last_mut()?.push(c),
        }
        escaped = c == '\\';
    }
    Some(cells.iter().map(|cell| cell.trim().to_owned()).collect())
}

/// What the judged tables of a chapter claim: faults, and how many tests were named.
fn judge(chapter: &str, tests: &BTreeSet<String>) -> (Vec<String>, usize) {
    let (mut faults, mut named) = (Vec::new(), 0);
    let mut judged = false;
    let mut before: Option<Vec<String>> = None;
    for line in chapter.lines() {
        let row = cells(line);
        let Some((last, others)) = row.as_deref().and_then(<[String]>::split_last) else {
            (judged, before) = (false, None);
            continue;
        };
        if last.starts_with("--") {
            let header = before.as_ref().and_then(|header| header.last());
            judged = header.is_some_and(|header| HEADERS.contains(&header.to_lowercase().as_str()));
        } else if judged {
            let names: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
            named += names.len();
            let is_missing =
                |name: &&&str| !tests.contains(name.rsplit("::").next().unwrap_or_default());
            faults.extend(names.iter().filter(is_missing).map(|name| format!("no test `{name}`")));
            if names.is_empty() && others.iter().any(|cell| cell == "same") {
                faults.push(format!("`same` without a test: {}", others.join(" | ")));
            }
        }
        before = row;
    }
    (faults, named)
}

#[test]
fn every_test_that_a_table_of_the_guide_names_exists() {
    let tests = tests();
    assert!(tests.len() > 200, "the scan lost its way: {} tests", tests.len());
    let (mut faults, mut named) = (Vec::new(), 0);
    for (path, text) in files(&root().join("crates/guide/chapters"), "md") {
        let (found, count) = judge(&text, &tests);
        named += count;
        faults.extend(found.iter().map(|fault| format!("{}: {fault}", relative(&path))));
    }
    assert_eq!(faults, Vec::<String>::new());
    assert!(named > 20, "the tables lost their headers: {named}");
}

#[test]
fn every_chapter_is_a_part_of_the_guide() {
    let guide = std::fs::read_to_string(root().join("crates/guide/src/lib.rs")).expect("the guide");
    for (path, _) in files(&root().join("crates/guide/chapters"), "md") {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        assert!(guide.contains(&format!("\"{name}\"")), "{name} is not listed");
    }
}

#[test]
fn a_table_that_names_no_test_is_caught() {
    let tests: BTreeSet<String> = ["it_works".to_owned(), "it_stops".to_owned()].into();
    let table = |row: &str| format!("| case | | our test |\n|---|---|---|\n{row}\n");
    for (row, expected) in [
        ("| a | same | `it_works` |", 0),
        ("| a | same | `module::it_works`, `it_stops` |", 0),
        ("| a | different | – |", 0),
        ("| `a | b` | same | `it_works` |", 0),
        ("| a \\| b | same | `it_works` |", 0),
        ("| a | same | `it_never_was` |", 1),
        ("| a | different | `it_never_was` and `nor_was_it` |", 2),
        ("| a | same | – |", 1),
        ("| a | same | it_works |", 1),
    ] {
        let (faults, _) = judge(&table(row), &tests);
        assert_eq!(faults.len(), expected, "{row}: {faults:?}");
    }
    // Another kind of table, and one after a judged one, may say what it likes.
    let other = "| what | cost |\n|---|---|\n| `no_test` | same |\n";
    assert_eq!(judge(other, &tests), (Vec::new(), 0));
    let two = format!("{}\n{other}", table("| a | same | `it_works` |"));
    assert_eq!(judge(&two, &tests), (Vec::new(), 1));
}
