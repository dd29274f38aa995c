//! Secrets at rest: sealed with keys that can be changed, and in clear nowhere.

use std::path::PathBuf;
use std::process::Output;

use serde_json::json;

use crate::process::receiver::Receiver;
use crate::process::{Home, PATIENCE, Relay, eventually};
use crate::upgrade;

const FIRST: &str = "k1:Xd9DjKVT9CYK1cgHv8rXkQpu8dEK+Uc5rMZ4qSm2n7I=";
const SECOND: &str = "k2:p4Q0nZy3uW8vT1sLhB6cXeRjD7mKfA2gY5oUiNtEqHw=";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SECRETS: &str = "SELECT secret FROM endpoint";

/// An endpoint in `/app/shop`, with the secret.
async fn endpoint(relay: &Relay, uid: &str) {
    let body = json!({ "url": "http://127.0.0.1:9/", "uid": uid, "secret": SECRET }).to_string();
    relay.call("POST", "/app/shop/endpoint", &body).await.expect(201);
}

async fn shop(home: &Home, keys: &str) -> Relay {
    let relay = home.serve(&["--encryption-keys", keys]).await;
    relay.call("PUT", "/app/shop", r#"{"name":"Shop","uid":"shop"}"#).await;
    relay
}

async fn secret(relay: &Relay, uid: &str) -> String {
    let path = format!("/app/shop/endpoint/{uid}/secret");
    relay.call("GET", &path, "").await.expect(200).text("key")
}

async fn stop(mut relay: Relay) {
    relay.terminate().await;
    relay.wait(PATIENCE).await;
}

/// So many texts are sealed with this key.
fn sealed(home: &Home, key: &str) -> i64 {
    let begin = format!("s1.{key}.");
    let texts: Vec<String> = home.query(SECRETS);
    texts.iter().filter(|text| text.starts_with(&begin)).count() as i64
}

/// Whether a part of the file, of what lies beside it or of a backup is this text.
fn lies_on_disk(home: &Home, text: &str) -> bool {
    let backup = home.path().join("backup.db");
    if !backup.exists() {
        home.write(&format!("VACUUM INTO '{}'", backup.display()));
    }
    let folder = home.database().parent().expect("a folder").to_owned();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|file| file.expect("a file").path())
        .collect();
    files.push(backup);
    assert!(files.len() > 2, "{files:?}");
    files.iter().any(|file| {
        let bytes = std::fs::read(file).expect("read");
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[linchpin_testing::test]
async fn no_secret_is_in_the_file_or_its_log() {
    let home = Home::new();
    let relay = shop(&home, FIRST).await;
    endpoint(&relay, "one").await;
    relay.call("PATCH", "/app/shop/endpoint/one", r#"{"description":"edited"}"#).await.expect(200);
    relay.message("shop", "{}").await;
    assert_eq!(secret(&relay, "one").await, SECRET);
    assert!(!lies_on_disk(&home, "whsec_"));
    assert!(!lies_on_disk(&home, &SECRET["whsec_".len()..]));
    assert!(lies_on_disk(&home, "edited"), "the search finds what is there");
}

#[linchpin_testing::test]
async fn a_file_of_the_first_release_is_sealed_at_the_first_start() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    upgrade::make(&home, &receiver);
    let before: Vec<String> = home.query("SELECT secret FROM endpoint WHERE uid = 'kept'");
    let relay = home.serve(&["--encryption-keys", FIRST]).await;
    assert_eq!([secret(&relay, "kept").await], before[..]);
    assert!(!lies_on_disk(&home, "whsec_"));
    assert_eq!(sealed(&home, "k1"), home.query::<i64>("SELECT count(*) FROM endpoint")[0]);

    // Only at the first: a text in clear that comes later is somebody else's.
    stop(relay).await;
    home.write(&format!("UPDATE endpoint SET secret = '{SECRET}' WHERE uid = 'kept'"));
    let relay = home.serve(&["--encryption-keys", FIRST]).await;
    relay.call("GET", "/app/shop/endpoint/kept/secret", "").await.expect(500);
}

#[linchpin_testing::test]
async fn keys_rotate_while_relay_runs_and_across_a_kill() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    upgrade::make(&home, &receiver);
    // Several submissions full.
    home.write(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1700)
         INSERT INTO endpoint (org, app, id, url, description, version, disabled, secret, metadata,
                               created_at, updated_at)
         SELECT org, app, randomblob(20), 'http://127.0.0.1:9/', '', 1, 1, '{SECRET}', '{{}}', 0, 0
         FROM n JOIN endpoint ON uid = 'kept'"
    ));
    let mut relay = home.serve(&["--encryption-keys", FIRST]).await;
    let all = home.query::<i64>("SELECT count(*) FROM endpoint")[0];
    assert!(sealed(&home, "k1") == all && all > 1_700);
    let before = secret(&relay, "kept").await;
    relay.kill().await;

    // Each text takes a millisecond, and so all of them far longer than from the first that are sealed anew to the kill.
    home.write(
        "CREATE TRIGGER slowed AFTER UPDATE OF secret ON endpoint BEGIN SELECT length(randomblob(400000)); END",
    );
    let both = format!("{SECOND},{FIRST}");
    let mut relay = home.serve(&["--encryption-keys", &both]).await;
    let url = relay.admin.clone();
    let rotate = ["keys", "rotate", "--url", &url];
    let killing = async {
        eventually("some are sealed anew", async || sealed(&home, "k2") > 0).await;
        relay.kill().await;
    };
    tokio::join!(home.run(&rotate), killing);
    let (old, new) = (sealed(&home, "k1"), sealed(&home, "k2"));
    assert!(old > 0 && new > 0 && old + new == all, "{old} and {new} of {all}");
    home.write("DROP TRIGGER slowed");

    let relay = home.serve(&["--encryption-keys", &both]).await;
    let rotate = ["keys", "rotate", "--url", &relay.admin];
    let (rotated, _) = tokio::join!(home.run(&rotate), relay.message("shop", "{}"));
    assert_eq!(rotated.status.code(), Some(0), "{}", said(&rotated));
    assert!(said(&rotated).contains("backups"), "{}", said(&rotated));
    assert_eq!(sealed(&home, "k2"), all);
    let again = home.run(&rotate).await;
    assert!(said(&again).starts_with("0 texts"), "{}", said(&again));
    stop(relay).await;
    let relay = home.serve(&["--encryption-keys", SECOND]).await;
    assert_eq!(secret(&relay, "kept").await, before);
}

#[linchpin_testing::test]
async fn keys_are_listed_and_rotated_while_relay_is_down() {
    let home = Home::new();
    let relay = shop(&home, FIRST).await;
    endpoint(&relay, "one").await;
    let (database, both) = (home.database().display().to_string(), format!("{SECOND},{FIRST}"));
    let keys = async |command: &str, keys: &str| {
        let args = ["keys", command, "--database", &database, "--encryption-keys", keys];
        let output = home.run(&args).await;
        (output.status.code(), said(&output))
    };
    let (code, refused) = keys("rotate", &both).await;
    assert!(code == Some(1) && refused.contains("--url"), "{refused}");
    let line = |text: &str, id: &str| {
        let line = text.lines().find(|line| line.starts_with(id)).expect("a line of the key");
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    let (_, beside) = keys("list", FIRST).await;
    assert_eq!(line(&beside, "k1"), "1 texts current", "beside a Relay that runs");
    stop(relay).await;

    let (_, listed) = keys("list", &both).await;
    assert_eq!(
        (line(&listed, "k1"), line(&listed, "k2")),
        ("1 texts old".into(), "0 texts current".into())
    );
    let (_, listed) = keys("list", SECOND).await;
    assert!(line(&listed, "k1").contains("MISSING"), "{listed}");
    let (code, rotated) = keys("rotate", &both).await;
    assert!(code == Some(0) && rotated.contains("1 texts sealed anew"), "{rotated}");
    let (_, listed) = keys("list", &both).await;
    assert_eq!(
        (line(&listed, "k1"), line(&listed, "k2")),
        ("0 texts old".into(), "1 texts current".into())
    );
}

#[linchpin_testing::test]
async fn who_asks_for_keys_changes_no_file_and_makes_none() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let database = home.database().display().to_string();
    let keys = async |command: &str| {
        let args = ["keys", command, "--database", &database, "--encryption-keys", FIRST];
        let output = home.run(&args).await;
        (output.status.code(), said(&output))
    };
    for command in ["list", "rotate"] {
        let (code, refused) = keys(command).await;
        assert!(code == Some(1) && refused.contains("is not there"), "{refused}");
        assert!(!home.database().exists(), "{command}");
    }
    upgrade::make(&home, &receiver);
    let (code, listed) = keys("list").await;
    assert!(code == Some(0) && listed.contains("0 texts  current"), "{listed}");
    let version = "SELECT max(version) FROM _linchpin_migrations";
    assert_eq!(home.query::<u32>(version), [5], "an older Relay still opens it");
}

#[linchpin_testing::test]
async fn a_lost_key_is_named_and_stops_the_start() {
    let home = Home::new();
    let relay = shop(&home, FIRST).await;
    endpoint(&relay, "one").await;
    stop(relay).await;
    let database = home.database().display().to_string();
    let fixed = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--database"];
    let start = async |keys: &str| {
        let args = [&fixed[..], &[&database, "--encryption-keys", keys]].concat();
        let output = home.run(&args).await;
        (output.status.code(), said(&output))
    };
    let (code, lost) = start(SECOND).await;
    assert!(code == Some(1) && lost.contains("k1") && lost.contains("encryption-keys"), "{lost}");
    let (code, other) = start(&SECOND.replace("k2:", "k1:")).await;
    assert!(code == Some(1) && other.contains("`k1`") && other.contains("another"), "{other}");
    let relay = home.serve(&["--encryption-keys", FIRST]).await;
    assert_eq!(secret(&relay, "one").await, SECRET);
}

#[linchpin_testing::test]
async fn a_moved_row_does_not_open() {
    let home = Home::new();
    let relay = shop(&home, FIRST).await;
    endpoint(&relay, "one").await;
    endpoint(&relay, "two").await;
    home.write("UPDATE endpoint SET secret = (SELECT secret FROM endpoint WHERE uid = 'one') WHERE uid = 'two'");
    relay.call("GET", "/app/shop/endpoint/two/secret", "").await.expect(500);
    assert_eq!(secret(&relay, "one").await, SECRET);
}

#[linchpin_testing::test]
async fn s10_secrets_are_never_shown() {
    let home = Home::new();
    let relay = home.serve(&["--encryption-keys", FIRST, "--log-level", "relay=trace,debug"]).await;
    relay.call("PUT", "/app/shop", r#"{"name":"Shop","uid":"shop"}"#).await;
    endpoint(&relay, "one").await;
    let mut shown = String::new();
    for (method, path, body) in [
        ("GET", "/app/shop/endpoint", String::new()),
        ("GET", "/app/shop/endpoint/one", String::new()),
        (
            "PUT",
            "/app/shop/endpoint/one",
            json!({ "url": "nowhere", "secret": SECRET }).to_string(),
        ),
        ("POST", "/app/shop/endpoint", json!({ "url": "nowhere", "secret": [SECRET] }).to_string()),
        (
            "POST",
            "/app/shop/endpoint",
            json!({ "url": 1, "secret": format!("{SECRET}=") }).to_string(),
        ),
    ] {
        let answer = relay.call(method, path, &body).await;
        shown.push_str(str::from_utf8(&answer.body).expect("text"));
    }
    relay.message("shop", "{}").await;
    shown.push_str(&relay.metrics().await);
    shown.push_str(&relay.to_string());
    assert!(shown.contains("ready") && shown.contains("nowhere") || shown.contains("value_error"));
    for secret in [&SECRET["whsec_".len()..], &FIRST["k1:".len()..]] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
