//! The figures of the storm are what it prints: `scripts/storm` writes them into `storm.txt`, and the chapters tell them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use lab::storm::{self, Plan};

const HEADING: &str = "## In the storm";

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The short table and the whole one.
fn written() -> [String; 2] {
    let file = fs::read_to_string(here().join("storm.txt")).expect("scripts/storm writes it");
    let (short, whole) = file.split_once("\n\nseed ").expect("two tables");
    [short.to_owned(), format!("seed {whole}")]
}

/// By the name of a variant its figures, in words.
fn rows(table: &str) -> BTreeMap<String, Vec<String>> {
    let lines = table.lines().skip_while(|line| !line.starts_with("variant")).skip(1);
    let words = lines.map(|line| line.replace(" ms", "_ms").replace(" s", "_s"));
    words
        .map(|line| {
            let mut words = line.split_whitespace().map(|word| word.replace('_', " "));
            (words.next().expect("a name"), words.collect())
        })
        .collect()
}

#[test]
fn a_short_storm_prints_what_is_written() {
    let plan = Plan::short(1);
    let run = |variant: &_| storm::run(&plan, variant).unwrap();
    let reports: Vec<_> = storm::variants().iter().map(run).collect();
    let printed = storm::table(&plan, &reports);
    let [written, _] = written();
    assert_eq!(printed.trim_end(), written.trim_end(), "run scripts/storm, and mend the chapters");
}

/// The rows of the tables in the section on the storm of a chapter: a name in backticks first, then figures.
fn told(chapter: &str) -> Vec<(String, Vec<String>)> {
    let Some((_, section)) = chapter.split_once(HEADING) else { return Vec::new() };
    let section = section.split("\n## ").next().unwrap_or_default();
    let lines = section.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix('|'));
    lines
        .map(|line| {
            let mut cells = line.split('|').map(|cell| cell.trim().replace("**", ""));
            let first = cells.next().expect("a cell");
            let name = first.split('`').next().expect("a name").to_owned();
            (name, cells.collect())
        })
        .collect()
}

fn chapters() -> Vec<PathBuf> {
    let folder = here().join("../guide/chapters");
    let mut found: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn the_chapters_tell_what_the_storm_prints() {
    let [_, whole] = written();
    let printed = rows(&whole);
    let names: BTreeSet<_> =
        storm::variants().iter().map(|variant| variant.name.to_owned()).collect();
    assert_eq!(names, printed.keys().cloned().collect());
    let mut faults = Vec::new();
    let mut all = BTreeSet::new();
    let mut sections = 0;
    for path in chapters() {
        let chapter = fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        sections += usize::from(chapter.contains(HEADING));
        for (variant, figures) in told(&chapter) {
            if printed.get(&variant) != Some(&figures) {
                faults.push(format!("{name}: {variant} {figures:?}, {:?}", printed.get(&variant)));
            }
            if name == "N7c-stack" {
                all.insert(variant);
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(all, names, "the chapter on the stack has them all");
    assert!(sections >= 9, "the chapters lost their sections: {sections}");
}

#[test]
fn a_figure_that_was_changed_is_seen() {
    let chapter = "# N\n\n## In the storm\n\n| | storm |\n|---|---|\n| `none` | 35 | **never** |\n\n## On\n\n| `no` | 1 |\n";
    let figures = vec!["35".to_owned(), "never".to_owned()];
    assert_eq!(told(chapter), [("none".to_owned(), figures)]);
    let table = "seed 1\n\nvariant   storm recovers\nnone  35  20 s\nnaive 9 1000 ms\n";
    let found = rows(table);
    assert_eq!(found["none"], ["35", "20 s"]);
    assert_eq!(found["naive"], ["9", "1000 ms"]);
}
