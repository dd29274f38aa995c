//! Migrations: order, refusal of newer and edited ones.

use linchpin::Kind;
use linchpin_data::migrate::{Migration, Migrations};
use linchpin_data::sqlite::{Database, Options};
use rusqlite::Connection;

const fn step(version: u32, name: &'static str, sql: &'static str) -> Migration {
    Migration { version, name, sql }
}

const ONE: Migration = step(1, "first", "CREATE TABLE one (x)");
const TWO: Migration = step(2, "second", "CREATE TABLE two (x); INSERT INTO two VALUES (1)");
const FIVE: Migration = step(5, "fifth", "CREATE TABLE five (x)");

const EDITED: &[Migration] = &[step(1, "renamed", "CREATE TABLE one (x, y)")];
const ZERO: &[Migration] = &[step(0, "zero", "")];

fn migrations(list: &'static [Migration]) -> Migrations {
    Migrations::new(list).unwrap()
}

#[track_caller]
fn refused(conn: &mut Connection, list: &'static [Migration], texts: &[&str]) {
    let error = migrations(list).apply(conn).unwrap_err();
    assert_eq!(error.kind(), Kind::FailedPrecondition);
    let report = error.report().to_string();
    for text in texts {
        assert!(report.contains(text), "{report}");
    }
}

#[linchpin_testing::test]
fn each_is_applied_once_and_in_order() {
    let mut conn = Connection::open_in_memory().unwrap();
    assert_eq!(migrations(&[ONE, TWO]).plan(&conn).unwrap().len(), 2);
    assert_eq!(migrations(&[ONE, TWO]).apply(&mut conn).unwrap(), 2);
    assert_eq!(migrations(&[ONE, TWO]).apply(&mut conn).unwrap(), 0);
    assert_eq!(migrations(&[ONE, TWO, FIVE]).plan(&conn).unwrap()[0].name, "fifth");
    assert_eq!(migrations(&[ONE, TWO, FIVE]).apply(&mut conn).unwrap(), 1);
    conn.execute_batch("SELECT * FROM one, two, five").unwrap();
}

#[linchpin_testing::test]
fn a_newer_database_is_refused() {
    let mut conn = Connection::open_in_memory().unwrap();
    migrations(&[ONE, FIVE]).apply(&mut conn).unwrap();
    let text =
        "this database is at version 5 (fifth), this binary knows up to 1: use a newer binary";
    refused(&mut conn, &[ONE], &[text]);
    refused(&mut conn, &[], &["version 5 (fifth)", "up to 0"]);
}

#[linchpin_testing::test]
fn an_edited_migration_is_refused_and_both_are_named() {
    let mut conn = Connection::open_in_memory().unwrap();
    migrations(&[ONE]).apply(&mut conn).unwrap();
    refused(&mut conn, EDITED, &["`first`", "`renamed`", "checksum"]);
}

#[linchpin_testing::test]
fn gaps_that_were_filled_or_lost_are_refused() {
    let mut conn = Connection::open_in_memory().unwrap();
    migrations(&[ONE, FIVE]).apply(&mut conn).unwrap();
    refused(&mut conn, &[ONE, TWO, FIVE], &["migration 2 (second)", "version 5"]);
    refused(&mut conn, &[FIVE], &["migration 1 (first)", "lacks"]);
}

#[linchpin_testing::test]
fn a_failing_migration_leaves_nothing_and_keeps_those_before_it() {
    const BROKEN: Migration = step(2, "broken", "CREATE TABLE two (x); SELECT * FROM nowhere");
    const ENDING: Migration = step(2, "ending", "COMMIT; CREATE TABLE two (x)");
    let mut conn = Connection::open_in_memory().unwrap();
    let error = migrations(&[ONE, BROKEN]).apply(&mut conn).unwrap_err();
    assert!(error.report().to_string().contains("migration 2 (broken)"), "{}", error.report());
    assert_eq!(migrations(&[ONE, TWO]).plan(&conn).unwrap().len(), 1);
    assert_eq!(migrations(&[ONE, TWO]).apply(&mut conn).unwrap(), 1);

    let mut conn = Connection::open_in_memory().unwrap();
    refused(&mut conn, &[ONE, ENDING], &["migration 2 (ending) ended its transaction"]);
}

#[linchpin_testing::test]
fn versions_must_ascend_from_one() {
    assert!(Migrations::new(&[TWO, ONE]).unwrap_err().report().to_string().contains("1 (first)"));
    assert!(Migrations::new(&[ONE, ONE]).is_err());
    assert!(Migrations::new(ZERO).is_err());
}

#[linchpin_testing::test]
fn a_refused_database_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let mut conn = Connection::open(&path).unwrap();
    migrations(&[ONE, TWO]).apply(&mut conn).unwrap();
    drop(conn);
    let options = Options::default().migrations(migrations(&[ONE]));
    let error = Database::open(&path, options).unwrap_err();
    assert_eq!(error.kind(), Kind::FailedPrecondition);
    assert!(error.report().to_string().contains("use a newer binary"));
}
