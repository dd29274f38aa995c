//! Where services of this kind are known to be weak: a file for each such point, by its number, and what belongs to none.

mod breakers;
mod ends;
mod fence;
mod unreadable;
mod w02;
mod w03;
mod w04;
mod w05;
mod w06;
mod w07;
mod w08;
mod w10;
mod w11;
mod w12;
mod w13;
mod w14;
mod w15;
mod w16;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The numbers of the tests in this folder and those below it.
fn numbers(folder: &Path, found: &mut BTreeSet<u32>) {
    for entry in
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path())
    {
        if entry.is_dir() {
            numbers(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&entry).expect("a source");
            let tests = text.split("async fn w").skip(1);
            found.extend(tests.filter_map(|rest| rest.split_once('_')?.0.parse::<u32>().ok()));
        }
    }
}

#[linchpin_testing::test]
fn every_weak_point_has_a_test_and_a_row_in_the_readme() {
    const README: &str = include_str!("../../../../README.md");
    let mut found = BTreeSet::new();
    numbers(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it"), &mut found);
    assert_eq!(found, (1..=16).collect());
    let (_, table) = README.split_once("## Where services of this kind are weak").expect("there");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |"));
    let told: BTreeSet<u32> = rows.filter_map(|(number, _)| number.parse().ok()).collect();
    assert_eq!(told, (1..=16).collect());
}
