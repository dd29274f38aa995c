//! Records: names, values and places that agree.

use std::collections::BTreeMap;

use linchpin_data::record;
use linchpin_data::sqlite::record;
use rusqlite::{Connection, params_from_iter};

#[derive(Clone, Debug, Default, PartialEq)]
struct Times {
    created_at: i64,
    updated_at: i64,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Body {
    text: String,
    labels: Vec<String>,
    extra: Option<BTreeMap<String, u8>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Note {
    title: Option<String>,
    body: Body,
    times: Times,
    pinned: bool,
}

record!(Times { created_at, updated_at });
record!(Body { text, labels: json, extra: json });
record!(Note { title, body: flatten, times: flatten, pinned });

const TABLE: &str = "CREATE TABLE note (
    pinned INTEGER NOT NULL, extra TEXT, title TEXT, text TEXT NOT NULL, labels TEXT NOT NULL,
    updated_at INTEGER NOT NULL, created_at INTEGER NOT NULL) STRICT";

fn table() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(TABLE).unwrap();
    conn
}

fn insert(conn: &Connection, note: &Note) {
    let (columns, parameters) = (record::columns::<Note>(), record::parameters::<Note>(1));
    let sql = format!("INSERT INTO note ({columns}) VALUES ({parameters})");
    conn.execute(&sql, params_from_iter(record::values(note).unwrap())).unwrap();
}

fn select(conn: &Connection) -> rusqlite::Result<Note> {
    let columns = record::columns::<Note>();
    conn.query_row(&format!("SELECT {columns} FROM note"), (), record::read::<Note>)
}

#[linchpin_testing::test]
fn the_parts_stand_in_their_place() {
    let columns = "title, text, labels, extra, created_at, updated_at, pinned";
    assert_eq!(record::columns::<Note>(), columns);
    assert_eq!(record::parameters::<Note>(3), "?3, ?4, ?5, ?6, ?7, ?8, ?9");
}

#[linchpin_testing::test]
fn what_is_written_is_read() {
    let full = Note {
        title: Some("milk".to_owned()),
        body: Body {
            text: "two litres".to_owned(),
            labels: vec!["a".to_owned(), "\"b\"".to_owned()],
            extra: Some([("k".to_owned(), 7)].into()),
        },
        times: Times { created_at: 1, updated_at: 2 },
        pinned: true,
    };
    for note in [full, Note::default()] {
        let conn = table();
        insert(&conn, &note);
        assert_eq!(select(&conn).unwrap(), note);
    }
}

#[linchpin_testing::test]
fn none_is_null_and_json_is_text() {
    let conn = table();
    insert(&conn, &Note::default());
    let types = "SELECT typeof(title), typeof(extra), typeof(labels), labels FROM note";
    let row: (String, String, String, String) = conn
        .query_row(types, (), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap();
    assert_eq!(row, ("null".into(), "null".into(), "text".into(), "[]".into()));
}

#[linchpin_testing::test]
fn a_column_that_holds_something_else_is_an_error() {
    for broken in ["labels = '7'", "labels = '['", "extra = '{\"k\":-1}'"] {
        let conn = table();
        insert(&conn, &Note::default());
        conn.execute_batch(&format!("UPDATE note SET {broken}")).unwrap();
        assert!(select(&conn).is_err(), "{broken}");
    }
}
