//! Backups, taken while Relay runs and brought to another place.

use std::path::Path;

use serde_json::json;

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, PATIENCE, eventually};

const KEYS: &str = "k1:Xd9DjKVT9CYK1cgHv8rXkQpu8dEK+Uc5rMZ4qSm2n7I=";
const OTHER_KEYS: &str = "k2:p4Q0nZy3uW8vT1sLhB6cXeRjD7mKfA2gY5oUiNtEqHw=";

fn name(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[linchpin_testing::test]
async fn a_backup_is_restored_elsewhere_and_delivers_what_was_due() {
    let (old, new, receiver) = (Home::new(), Home::new(), Receiver::start().await);
    receiver.reply("/due", [Reply::Status(500)]);
    let keys = ["--encryption-keys", KEYS];
    let mut relay = old.serve(&[keys[0], keys[1], "--retry-schedule", "1h"]).await;
    relay.call("PUT", "/app/shop", r#"{"name":"Shop","uid":"shop"}"#).await;
    let endpoint = json!({ "url": receiver.url("/due") }).to_string();
    relay.call("POST", "/app/shop/endpoint", &endpoint).await.expect(201);
    let message = relay.message("shop", "{}").await;
    relay.attempts("shop", &message, 1).await;

    let copy = old.path().join("backup.db");
    let (from, to) = (old.database(), new.database());
    let made = old.run(&["backup", name(&copy), "--database", name(&from), keys[0], keys[1]]).await;
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(said.contains("1 messages") && said.contains("needs: k1"), "{said}");
    relay.kill().await;

    let restore = ["restore", name(&copy), "--database", name(&to), "--encryption-keys"];
    let refused = new.run(&[&restore[..], &[OTHER_KEYS]].concat()).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("k1"), "{refused:?}");
    assert!(!new.database().exists());
    for code in [0, 1] {
        let restored = new.run(&[&restore[..], &[KEYS]].concat()).await;
        assert_eq!(restored.status.code(), Some(code), "a used place is refused: {restored:?}");
    }
    let seen = receiver.received("/due").len();
    new.write("UPDATE delivery SET due = 0");
    let relay = new.serve(&keys).await;
    receiver.wait("/due", seen + 1).await;
    assert_eq!(relay.attempts("shop", &message, 2).await, [500, 200]);
}

#[linchpin_testing::test]
async fn another_programs_file_is_refused_before_a_page_is_copied() {
    let home = Home::new();
    let (other, to) = (home.path().join("other.db"), home.path().join("copy.db"));
    let of_another = rusqlite::Connection::open(&other).expect("made");
    of_another.execute_batch("PRAGMA application_id = 7; CREATE TABLE t (a)").expect("made");
    drop(of_another);
    // Whoever begins to copy finds this first.
    for part in [home.path().join("copy.db.part"), home.database().with_extension("db.part")] {
        std::fs::create_dir_all(part.parent().expect("a folder")).expect("made");
        std::fs::write(part, "").expect("write");
    }
    let database = home.database();
    for args in [
        ["backup", name(&to), "--database", name(&other)],
        ["restore", name(&other), "--database", name(&database)],
    ] {
        let refused = home.run(&args).await;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("another program's") && said.contains("0x7"), "{said}");
        assert!(!to.exists() && !home.database().exists());
    }
}

#[linchpin_testing::test]
async fn a_backup_that_is_interrupted_leaves_nothing_and_one_that_is_killed_no_hindrance() {
    let home = Home::new();
    let mut relay = home.serve(&[]).await;
    relay.application(&[]).await;
    relay.terminate().await;
    relay.wait(PATIENCE).await;
    // Some seconds of copying and checking.
    home.write(
        "INSERT INTO message (org, app, id, event_type, payload, created_at)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 256)
         SELECT org, id, randomblob(20), 'paid', zeroblob(1 << 20), 0 FROM application, n",
    );
    let (database, to) = (home.database(), home.path().join("copy.db"));
    let part = home.path().join("copy.db.part");
    for stop in ["SIGINT", "SIGTERM"] {
        let mut backup = home.start(&["backup", name(&to), "--database", name(&database)]);
        eventually("begun", async || part.exists()).await;
        match stop {
            "SIGINT" => backup.interrupt().await,
            _ => backup.terminate().await,
        }
        assert_eq!(backup.wait(PATIENCE).await.code(), Some(1), "{stop}: {backup}");
        assert!(backup.to_string().contains("interrupted: nothing is left"), "{backup}");
        assert!(!part.exists() && !to.exists(), "{stop}");
    }
    let mut killed = home.start(&["backup", name(&to), "--database", name(&database)]);
    eventually("begun", async || part.metadata().is_ok_and(|part| part.len() > 1 << 20)).await;
    killed.kill().await;
    assert!(part.exists(), "nobody could remove it");
    let made = home.run(&["backup", name(&to), "--database", name(&database)]).await;
    assert_eq!(made.status.code(), Some(0), "what is left is taken over: {made:?}");
    assert!(!part.exists() && to.exists());
}
