//! Idempotency records.

use std::time::Duration;

use linchpin::time::Timestamp;
use linchpin_data::idempotency::{self, Fingerprint, Found, Key, SQL, Stored, TTL};
use rusqlite::Connection;

fn table() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(SQL).unwrap();
    conn
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

#[track_caller]
fn check(conn: &Connection, key: &str, content: &str, now: Timestamp, expected: &Found) {
    let (key, fingerprint) = (Key::new([key]), Fingerprint::new([content]));
    assert_eq!(&idempotency::find(conn, &key, &fingerprint, now, TTL).unwrap(), expected);
}

fn store(conn: &Connection, key: &str, content: &str, status: u16, now: Timestamp) -> Found {
    let stored = Stored { status, body: content.into() };
    let (key, fingerprint) = (Key::new([key]), Fingerprint::new([content]));
    idempotency::store(conn, &key, &fingerprint, &stored, now).unwrap();
    Found::Replay(stored)
}

#[linchpin_testing::test]
fn a_repeat_gets_the_stored_answer_and_another_content_a_mismatch() {
    let conn = table();
    check(&conn, "k", "a", at(0), &Found::New);
    let replay = store(&conn, "k", "a", 201, at(0));
    check(&conn, "k", "a", at(60), &replay);
    check(&conn, "k", "b", at(60), &Found::Mismatch);
    check(&conn, "other", "a", at(60), &Found::New);
}

#[linchpin_testing::test]
fn an_expired_record_counts_as_new_and_is_replaced() {
    let conn = table();
    store(&conn, "k", "a", 201, at(0));
    store(&conn, "l", "a", 201, at(1));
    let later = at(0) + TTL;
    check(&conn, "k", "b", later, &Found::New);
    let replay = store(&conn, "k", "b", 202, later);
    check(&conn, "k", "b", later, &replay);
    // The new record is at the end of the order: pruning the front removes `l` and stops.
    assert_eq!(idempotency::prune(&conn, later, 1).unwrap(), 1);
    check(&conn, "k", "b", later, &replay);
}

#[linchpin_testing::test]
fn prune_removes_the_oldest_in_small_batches() {
    let conn = table();
    for second in 0..10 {
        store(&conn, &second.to_string(), "a", 200, at(second));
    }
    let prune = |limit| idempotency::prune(&conn, at(7), limit).unwrap();
    assert_eq!([prune(3), prune(3), prune(3), prune(3)], [3, 3, 1, 0]);
    check(&conn, "6", "a", at(10), &Found::New);
    assert!(matches!(
        idempotency::find(
            &conn,
            &Key::new(["7"]),
            &Fingerprint::new(["a"]),
            at(10),
            Duration::from_mins(1)
        ),
        Ok(Found::Replay(_))
    ));
}

#[linchpin_testing::test]
fn parts_are_kept_apart_by_their_lengths() {
    assert_ne!(Key::new(["ab", "c"]), Key::new(["a", "bc"]));
    assert_ne!(Key::new(["a", ""]), Key::new(["a"]));
    assert_eq!(Key::new(["a", "b"]).as_bytes(), Fingerprint::new([b"a", b"b"]).as_bytes());
}
