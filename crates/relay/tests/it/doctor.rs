//! `relay doctor`: a fault is planted in a real file, or around it, and found.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Output;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::process::{Home, PATIENCE, Relay, eventually};

const KEYS: &str = "k1:Xd9DjKVT9CYK1cgHv8rXkQpu8dEK+Uc5rMZ4qSm2n7I=";
const OTHER_ID: &str = "k2:p4Q0nZy3uW8vT1sLhB6cXeRjD7mKfA2gY5oUiNtEqHw=";
const OTHER_KEY: &str = "k1:p4Q0nZy3uW8vT1sLhB6cXeRjD7mKfA2gY5oUiNtEqHw=";
const STRONG: &str = "q3J0vN8sYk1hT5mXbR7eZcA2uLwPdF9gKiHoVtQnMyE=";

const SERVE: &[&str] = &["--encryption-keys", KEYS, "--retry-schedule", "1h"];

/// Two endpoints that nobody answers at, and a message to each that is tried again in an hour.
async fn served(home: &Home) -> Relay {
    let relay = home.serve(SERVE).await;
    let (app, _) = relay.application(&["http://127.0.0.1:9/a", "http://127.0.0.1:9/b"]).await;
    relay.message(&app, "{}").await;
    eventually("tried", async || home.query::<i64>("SELECT count(*) FROM attempt") == [2]).await;
    relay
}

async fn stop(mut relay: Relay) {
    relay.terminate().await;
    relay.wait(PATIENCE).await;
}

/// What the doctor is asked with, but for the flags of a case: no port is anybody's.
fn words(home: &Home, flags: &[&str]) -> Vec<String> {
    let database = home.database().display().to_string();
    let fixed = ["doctor", "--json", "--database", &database, "--encryption-keys", KEYS];
    let ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    fixed.into_iter().chain(ports).chain(flags.iter().copied()).map(str::to_owned).collect()
}

async fn ask(home: &Home, flags: &[&str], variables: &[(&str, &str)]) -> Output {
    let words = words(home, flags);
    home.run_with(&words.iter().map(String::as_str).collect::<Vec<_>>(), variables).await
}

fn findings(output: &Output) -> Vec<Value> {
    let all: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    all["data"].as_array().expect("a list").clone()
}

/// What is not well, each with what to do about it, and the exit code that goes with it.
#[track_caller]
fn ill(output: &Output) -> Vec<(String, String)> {
    let ill: Vec<_> = findings(output).into_iter().filter(|one| one["state"] != "ok").collect();
    let fails = ill.iter().any(|one| one["state"] == "fail");
    assert_eq!(output.status.code(), Some(i32::from(fails)), "{output:?}");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    for one in &ill {
        assert!(!text(&one["advice"]).is_empty() && !text(&one["found"]).is_empty(), "{one}");
    }
    ill.iter().map(|one| (text(&one["check"]), text(&one["state"]))).collect()
}

fn rights(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
}

fn folder(home: &Home) -> std::path::PathBuf {
    home.database().parent().expect("a folder").to_owned()
}

#[linchpin_testing::test]
async fn a_file_that_relay_makes_is_its_owners_alone() {
    let home = Home::new();
    // As in a container, where the folder is there and everybody may look into it.
    rights(home.path(), 0o755);
    let made = home.run(&["migrate", "--database", "new.db"]).await;
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let file = home.path().join("new.db").metadata().expect("made");
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
}

/// Only root can give the folder to another user: elsewhere there is nothing to see.
#[linchpin_testing::test]
async fn a_file_of_root_in_the_folder_of_another_is_told() {
    let home = Home::new();
    stop(served(&home).await).await;
    if std::os::unix::fs::chown(folder(&home), Some(65_532), None).is_err() {
        return;
    }
    let told = ask(&home, &[], &[]).await;
    assert_eq!(ill(&told), [("file".to_owned(), "warn".to_owned())], "{told:?}");
    assert!(format!("{:?}", findings(&told)).contains("chown 65532:"), "{told:?}");
}

/// What is wrong, as the planter makes it, what is asked with, and what is found.
type Case =
    (&'static str, fn(&Home), &'static [&'static str], &'static [(&'static str, &'static str)]);

const NOTHING: fn(&Home) = |_| {};

const CASES: &[Case] = &[
    (
        "all can read the file",
        |home| {
            rights(&folder(home), 0o755);
            rights(&home.database(), 0o644);
        },
        &[],
        &[("file", "warn")],
    ),
    (
        "all can change the file",
        |home| {
            rights(&folder(home), 0o755);
            rights(&home.database(), 0o666);
        },
        &[],
        &[("file", "fail")],
    ),
    (
        "all can write to the folder",
        |home| rights(&folder(home), 0o777),
        &[],
        &[("folder", "fail")],
    ),
    (
        "another program's file",
        |home| home.write("PRAGMA application_id = 7"),
        &[],
        &[("database", "fail")],
    ),
    (
        "no database at all",
        |home| {
            fs::write(home.database(), "a text, and a long one at that".repeat(50)).expect("write");
        },
        &[],
        &[("database", "fail")],
    ),
    (
        "a newer schema",
        |home| home.write("INSERT INTO _linchpin_migrations VALUES (999, 'later', x'00', 0)"),
        &[],
        &[("schema", "fail")],
    ),
    (
        "a changed schema",
        |home| home.write("UPDATE _linchpin_migrations SET checksum = x'00' WHERE version = 1"),
        &[],
        &[("schema", "fail")],
    ),
    (
        "an older schema",
        |home| home.write("DELETE FROM _linchpin_migrations WHERE version > 10"),
        &[],
        &[("schema", "warn")],
    ),
    ("a damaged page", damage, &[], &[("integrity", "fail")]),
    (
        "a delivery of no message",
        |home| home.write("UPDATE delivery SET message = randomblob(20)"),
        &[],
        &[("rows", "warn")],
    ),
    (
        "endpoints and messages of no application",
        |home| home.write("DELETE FROM application"),
        &[],
        &[("rows", "fail"), ("rows", "fail")],
    ),
    (
        "hours that do not add up",
        |home| home.write("UPDATE endpoint_hour SET fail = fail + 1"),
        &[],
        &[("hours", "warn")],
    ),
    ("a key that is not there", NOTHING, &["--encryption-keys", OTHER_ID], &[("keys", "fail")]),
    ("another key of that id", NOTHING, &["--encryption-keys", OTHER_KEY], &[("keys", "fail")]),
    (
        "a secret in clear",
        |home| {
            home.write(
                "UPDATE endpoint SET secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' WHERE url LIKE '%/a'",
            );
        },
        &[],
        &[("secrets", "fail")],
    ),
    (
        "a secret of another endpoint",
        |home| {
            home.write(
                "UPDATE endpoint SET secret = (SELECT secret FROM endpoint WHERE url LIKE '%/b')",
            );
        },
        &[],
        &[("secrets", "fail")],
    ),
    (
        "a file that never shrinks",
        |home| home.write("PRAGMA auto_vacuum = NONE; VACUUM"),
        &[],
        &[("pages", "warn")],
    ),
    (
        "a log that somebody holds up",
        |home| {
            let log = fs::File::create(folder(home).join("relay.db-wal")).expect("made");
            log.set_len(300 << 20).expect("set");
        },
        &[],
        &[("log", "warn")],
    ),
    (
        "a clock that was set back",
        |home| home.write("UPDATE message SET created_at = created_at + 3600000000"),
        &[],
        &[("clock", "fail")],
    ),
    (
        "a clock that is a minute behind",
        |home| home.write("UPDATE attempt SET created_at = created_at + 60000000"),
        &[],
        &[("clock", "warn")],
    ),
    (
        "a restore that was cut off",
        |home| fs::write(folder(home).join("relay.db.part"), "").expect("write"),
        &[],
        &[("restore", "warn")],
    ),
    ("a setting that is none", NOTHING, &["--request-timeout", "soon"], &[("settings", "fail")]),
    ("lines for each delivery", NOTHING, &["--log-level", "relay=debug"], &[("log-level", "warn")]),
    (
        "a network that reaches everything",
        NOTHING,
        &[
            "--mode",
            "production",
            "--jwt-secret",
            STRONG,
            "--admin-listen",
            "0.0.0.0:0",
            "--allowed-subnets",
            "0.0.0.0/0",
        ],
        &[("allowed-subnets", "fail"), ("allowed-subnets", "warn"), ("admin-listen", "warn")],
    ),
];

/// Writes over a page that nothing but the check looks at.
fn damage(home: &Home) {
    let find = "SELECT rootpage FROM sqlite_schema WHERE name = 'background_task_id'";
    let page = home.query::<i64>(find)[0];
    let size = home.query::<i64>("PRAGMA page_size")[0];
    // All that is in the log must be in the file.
    home.write("PRAGMA wal_checkpoint(TRUNCATE)");
    let file = fs::OpenOptions::new().write(true).open(home.database()).expect("open");
    file.write_all_at(&[0xff; 512], ((page - 1) * size) as u64).expect("write");
}

#[linchpin_testing::test]
async fn doctor_finds_each_planted_fault() {
    let origin = Home::new();
    stop(served(&origin).await).await;
    let well = ask(&origin, &[], &[]).await;
    assert_eq!(ill(&well), [], "{well:?}");
    assert!(CASES.len() >= 12);
    for (what, plant, flags, wanted) in CASES {
        let home = Home::new();
        fs::create_dir(folder(&home)).expect("made");
        rights(&folder(&home), 0o700);
        fs::copy(origin.database(), home.database()).expect("copied");
        rights(&home.database(), 0o600);
        plant(&home);
        let found = ask(&home, flags, &[]).await;
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(check, state)| ((*check).to_owned(), (*state).to_owned()))
            .collect();
        assert_eq!(ill(&found), wanted, "{what}: {found:?}");
    }
}

#[linchpin_testing::test]
async fn doctor_finds_what_is_wrong_around_the_file() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = taken.local_addr().expect("bound").to_string();
    let found = ask(&home, &["--listen", &port], &[]).await;
    assert_eq!(ill(&found), [("listen".to_owned(), "fail".to_owned())]);

    let words = words(&home, &[]).join(" ");
    let script = format!("ulimit -n 300; relay {words} > found || true");
    assert_eq!(home.start_script(&script, &[]).wait(PATIENCE).await.code(), Some(0));
    let found: Value =
        serde_json::from_slice(&fs::read(home.path().join("found")).expect("read")).expect("JSON");
    let states: Vec<_> = found["data"].as_array().expect("a list").iter().collect();
    let files = states.iter().find(|one| one["check"] == "open files").expect("looked at");
    assert_eq!(files["state"], "fail", "{files}");
    assert!(files["advice"].as_str().expect("advice").contains("LimitNOFILE"), "{files}");
}

#[linchpin_testing::test]
async fn doctor_works_before_the_first_start_and_beside_a_relay_that_runs() {
    let home = Home::new();
    assert_eq!(ill(&ask(&home, &[], &[]).await), []);
    assert!(!folder(&home).exists(), "it makes nothing");

    let relay = served(&home).await;
    let found = ask(&home, &[], &[("RELAY_ADMIN_URL", &relay.admin)]).await;
    assert_eq!(ill(&found), [], "{found:?}");
    let findings = findings(&found);
    let runs = findings.iter().find(|one| one["check"] == "relay").expect("looked at");
    assert!(runs["found"].as_str().expect("a text").contains("all its parts"), "{runs}");
    // One that does not say where it is.
    let lost = ask(&home, &[], &[("RELAY_ADMIN_URL", "http://127.0.0.1:9")]).await;
    assert_eq!(ill(&lost), [("relay".to_owned(), "fail".to_owned())]);
    // For people, as a table.
    let words: Vec<_> = words(&home, &[]).into_iter().filter(|word| word != "--json").collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let shown = home.run_with(&words, &[("RELAY_ADMIN_URL", &relay.admin)]).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.lines().any(|line| line.starts_with("ok    integrity")), "{shown}");
    let app = json!({ "name": "Another" }).to_string();
    relay.call("POST", "/app", &app).await.expect(201);
    stop(relay).await;
    let opened = Connection::open(home.database()).expect("open");
    let apps: i64 =
        opened.query_row("SELECT count(*) FROM application", (), |row| row.get(0)).expect("count");
    assert_eq!(apps, 2);
}
