//! Rules that review would forget: who may depend on whom, how files begin, how long they get.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::catalogue::root;
use crate::source::{relative, sources};

/// Which of our crates each crate may depend on in its ordinary dependencies.
const DIRECTION: [(&str, &[&str]); 10] = [
    ("linchpin", &[]),
    ("linchpin-http", &["linchpin"]),
    ("linchpin-data", &["linchpin"]),
    ("linchpin-security", &["linchpin"]),
    (
        "linchpin-testing",
        &["linchpin", "linchpin-http", "linchpin-data", "linchpin-testing-macros"],
    ),
    ("linchpin-testing-macros", &[]),
    ("relay", &["linchpin", "linchpin-http", "linchpin-data", "linchpin-security"]),
    (
        "guide",
        &[
            "linchpin",
            "linchpin-http",
            "linchpin-data",
            "linchpin-security",
            "linchpin-testing",
            "relay",
        ],
    ),
    ("lab", &["linchpin", "linchpin-http", "linchpin-data", "linchpin-security"]),
    (
        "bench",
        &["linchpin", "linchpin-http", "linchpin-data", "linchpin-security", "linchpin-testing"],
    ),
];
const LONGEST: usize = 400;
/// Modules that may use `unsafe`, each with a model and a run under the sanitizers (`scripts/sanitize`).
const UNSAFE: [&str; 4] = [
    "crates/linchpin/src/sync/biased.rs",
    "crates/linchpin/src/sync/bus/segment.rs",
    "crates/linchpin/src/sync/object_pool/seats.rs",
    "crates/linchpin/src/task/pool/job.rs",
];

#[test]
fn dependencies_point_one_way() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let edges: BTreeMap<&str, Vec<&str>> = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| {
            let normal = package["dependencies"].as_array().expect("dependencies").iter();
            let ours = normal.filter(|to| to["kind"].is_null() && to["path"].is_string());
            let names = ours.map(|to| to["name"].as_str().expect("a name"));
            (package["name"].as_str().expect("a name"), names.collect())
        })
        .collect();
    assert_eq!(edges.len(), DIRECTION.len(), "a crate without a rule: {:?}", edges.keys());
    for (from, allowed) in DIRECTION {
        for to in &edges[from] {
            assert!(allowed.contains(to), "{from} must not depend on {to}");
        }
    }
    // The check can fail: these edges exist, so the parsing above sees edges.
    assert!(edges["relay"].contains(&"linchpin-data"));
}

#[test]
fn every_test_around_the_toolkit_runs_under_the_leak_check() {
    const CHECK: &str = "#[linchpin_testing::test";
    const OTHERS: [&str; 2] = ["#[test]", "#[tokio::test"];

    let mut seen = 0;
    let unchecked: Vec<String> = sources()
        .iter()
        .filter(|(path, _)| CHECKED.iter().any(|package| is_of(path, package)))
        .flat_map(|(path, text)| {
            seen += text.matches(CHECK).count();
            let other = |line: &&str| OTHERS.iter().any(|other| line.trim().starts_with(other));
            let file = relative(path);
            text.lines()
                .filter(other)
                .map(move |line| format!("{file}: {line}"))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(unchecked, Vec::<String>::new(), "say {CHECK}], which fails on a task that is left");
    assert!(seen > 200, "the search lost its way: {seen}");
}

/// Crates of which every test has the attribute that checks it for leaks.
const CHECKED: [&str; 3] = ["linchpin-data", "linchpin-http", "relay"];

fn is_of(path: &Path, package: &str) -> bool {
    relative(path).starts_with(&format!("crates/{package}/"))
}

#[test]
fn plain_cargo_run_starts_relay() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("a manifest");
    assert!(read("Cargo.toml").contains("default-members = [\"crates/relay\"]"));
    // Relay has a second binary, for a drill: without this line cargo would ask which one is meant.
    assert!(read("crates/relay/Cargo.toml").contains("default-run = \"relay\""));
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = sources()
        .iter()
        .filter(|(_, text)| {
            !text.trim_start_matches("#![forbid(unsafe_code)]").trim_start().starts_with("//!")
        })
        .map(|(path, _)| relative(path))
        .collect();
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn a_long_file_gives_its_reason_in_its_first_comment() {
    let unreasoned: Vec<String> = sources()
        .iter()
        .filter(|(_, text)| text.lines().count() > LONGEST)
        .filter(|(_, text)| {
            let head: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
            !head.contains("One file because")
        })
        .map(|(path, text)| format!("{}: {} lines", relative(path), text.lines().count()))
        .collect();
    assert_eq!(unreasoned, Vec::<String>::new());
}

#[test]
fn unsafe_code_stands_only_where_it_is_listed() {
    // Put together so that this line is not found itself.
    let keyword = ["unsafe", " {"].concat();
    let expectation = ["expect(", "unsafe_code"].concat();
    let found: Vec<String> = sources()
        .iter()
        .filter(|(_, text)| text.contains(&keyword) || text.contains(&expectation))
        .map(|(path, _)| relative(path))
        .collect();
    assert_eq!(found, UNSAFE);
}
