//! The commands that ask a Relay, each against a process.

use std::collections::BTreeSet;
use std::process::Output;

use http::Method;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::api_docs::ROUTES;
use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, PATIENCE, Relay, eventually};

/// The routes that have no command, and why.
const WITHOUT: &[(&str, &str, &str)] = &[
    ("get", "/app/{app_id}/msg/{msg_id}/attempt", "`attempt of`; this path is an older one"),
    (
        "get",
        "/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/attempt",
        "`attempt of`; this path is an older one",
    ),
    ("post", "/admin/redrive-dlq", "there is no queue of dead letters"),
    ("post", "/auth/dashboard-access/{app_id}", "`auth portal`; this path is an older one"),
    ("put", "/app/{app_id}", "`app update` patches"),
    ("put", "/app/{app_id}/endpoint/{endpoint_id}", "`endpoint update` patches"),
    ("put", "/event-type/{event_type_name}", "`event-type update` patches"),
    ("get", "/health", "`healthcheck` asks the operators' listener"),
    ("head", "/health", "`healthcheck` asks the operators' listener"),
    ("get", "/health/ping", "`healthcheck` asks the operators' listener"),
    ("head", "/health/ping", "`healthcheck` asks the operators' listener"),
];

#[linchpin_testing::test]
fn every_route_has_a_command_or_a_reason() {
    let owed: BTreeSet<_> = ROUTES
        .iter()
        .flat_map(|(path, methods)| methods.iter().map(|method| ((*method).to_owned(), *path)))
        .collect();
    let commands: BTreeSet<_> = relay::cli::routes()
        .map(|(method, path): (Method, _)| (method.as_str().to_lowercase(), path))
        .collect();
    let reasons: BTreeSet<_> =
        WITHOUT.iter().map(|(method, path, _)| ((*method).to_owned(), *path)).collect();
    let both: Vec<_> = commands.intersection(&reasons).collect();
    assert!(both.is_empty(), "a command and a reason to have none: {both:?}");
    let served: BTreeSet<_> = commands.union(&reasons).cloned().collect();
    let missing: Vec<_> = owed.difference(&served).collect();
    assert!(missing.is_empty(), "add a line to cli/nouns.rs, or a reason here: {missing:?}");
    let gone: Vec<_> = served.difference(&owed).collect();
    assert!(gone.is_empty(), "there are no such routes: {gone:?}");
}

#[linchpin_testing::test]
async fn every_task_of_a_week_by_command_line() {
    const README: &str = include_str!("../../../../README.md");
    let (_, week) = README.split_once("## A week by command line").expect("the section");
    let script = week.split("```").nth(1).expect("a script").trim_start_matches("sh\n");
    let commands = script.lines().filter(|line| line.contains("relay ")).count();
    assert!(commands >= 25, "{commands}");

    let home = Home::new();
    let receiver = Receiver::start().await;
    let relay = home.serve(&[]).await;
    let url = receiver.url("/hook");
    let mut week =
        home.start_script(script, &[&environment(&relay)[..], &[("RECEIVER", &url)]].concat());
    let status = week.wait(PATIENCE).await;
    assert_eq!(status.code(), Some(0), "{week}");
    let bodies: Vec<_> =
        receiver.received("/hook").iter().map(|one| one.text().to_owned()).collect();
    assert!(bodies.iter().filter(|body| *body == r#"{"amount": 7}"#).count() >= 2, "{bodies:?}");
}

#[linchpin_testing::test]
async fn json_is_what_the_api_said() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[]).await;
    // A number that no double holds, and a text that no terminal should see.
    let message = relay.message(&app, r#"{ "n": 1.00000000000000000001, "s": "\u001b[2J" }"#).await;
    for (args, path) in [
        (vec!["app", "list"], "/app".to_owned()),
        (vec!["message", "get", &app, &message], format!("/app/{app}/msg/{message}")),
        (vec!["message", "list", &app, "--limit", "1"], format!("/app/{app}/msg?limit=1")),
    ] {
        let said = relay.call("GET", &path, "").await.expect(200).body;
        let said = text(&said);
        let shown = ask(&home, &relay, &args).await;
        assert_eq!(text(&shown.stdout), said + "\n", "{args:?}: {shown:?}");
    }
}

#[linchpin_testing::test]
async fn a_list_of_600_is_walked_with_all() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    for _ in 0..600 {
        relay.application(&[]).await;
    }
    let lines =
        ask(&home, &relay, &["app", "list", "--all", "--limit", "250", "-o", "ndjson"]).await;
    let ids: BTreeSet<_> = text(&lines.stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 600, "{lines:?}");
    let whole = ask(&home, &relay, &["app", "list", "--all"]).await;
    let whole: Value = serde_json::from_slice(&whole.stdout).expect("JSON");
    assert_eq!(whole["data"].as_array().expect("a list").len(), 600);
    let page = ask(&home, &relay, &["app", "list", "-o", "table"]).await;
    assert_eq!(text(&page.stdout).lines().count(), 51, "a heading and a page: {page:?}");
}

#[linchpin_testing::test]
async fn a_list_is_walked_back_with_what_a_page_says() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    for _ in 0..4 {
        relay.application(&[]).await;
    }
    let page = async |iterator: &str| {
        let args = ["app", "list", "--limit", "2", "--iterator", iterator];
        let page = ask(&home, &relay, &args[..if iterator.is_empty() { 4 } else { 6 }]).await;
        serde_json::from_slice::<Value>(&page.stdout).unwrap_or_else(|_| panic!("{page:?}"))
    };
    let text = |page: &Value, name: &str| page[name].as_str().expect("a text").to_owned();
    let first = page("").await;
    let second = page(&text(&first, "iterator")).await;
    assert_ne!(second["data"], first["data"]);
    let back = page(&text(&second, "prevIterator")).await;
    assert_eq!(back["data"], first["data"]);
}

#[linchpin_testing::test]
async fn a_flag_with_the_name_of_a_setting_is_none() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[]).await;
    // Without a URL and a token, both come of the settings here.
    let here = [("RELAY_LISTEN", relay.api.trim_start_matches("http://"))];
    let args = ["endpoint", "create", &app, "http://127.0.0.1:9/", "--retry-schedule", "[1, 2]"];
    let made = home.run_with(&args, &here).await;
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    assert_eq!(made["retrySchedule"], serde_json::json!([1, 2]));
}

#[linchpin_testing::test]
async fn wait_shows_progress_and_its_exit_code() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let relay = home.serve(&["--retry-schedule", "20ms"]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    std::fs::write(home.path().join("payload.json"), "{}").expect("write");
    let send = ["message", "send", &app, "test.sent", "payload.json", "--wait"];

    receiver.reply("/hook", [Reply::Status(500), Reply::Status(500)]);
    let failed = ask(&home, &relay, &send).await;
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    let said = text(&failed.stderr);
    assert!(
        said.starts_with("relay: 1 of 1 endpoints did not get it; `relay message endp"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "no progress in a pipe: {said}");

    receiver.reply("/hook", [Reply::Status(500), Reply::Status(200)]);
    let healed = ask(&home, &relay, &send).await;
    assert_eq!(healed.status.code(), Some(0), "{healed:?}");
    assert_eq!(text(&healed.stderr), "");

    let gate = std::sync::Arc::new(Semaphore::new(0));
    receiver.reply("/hook", [Reply::After(gate.clone())]);
    let line = format!("{} {}", env!("CARGO_BIN_EXE_relay"), send.join(" "));
    let script = format!("script -qec '{line}' /dev/null");
    let mut terminal = home.start_script(&script, &environment(&relay));
    terminal.printed("how far it is", |text| text.contains("0 of 1 endpoints").then_some(())).await;
    gate.add_permits(1);
    assert_eq!(terminal.wait(PATIENCE).await.code(), Some(0), "{terminal}");
}

#[linchpin_testing::test]
async fn what_is_refused_is_told_with_its_place_and_an_exit_code_of_its_own() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    let (app, endpoints) = relay.application(&["http://127.0.0.1:9/"]).await;
    let ep = endpoints[0].as_str();
    for (args, code, expected) in [
        (vec!["endpoint", "create", &app, "ftp://x"], 1, "relay: 422 body.url: "),
        (vec!["app", "get", "nobody"], 4, "relay: 404 not_found: "),
        (vec!["app", "list", "--limit", "0"], 1, "relay: 422 query.limit"),
        (vec!["app", "delete", &app], 2, "--yes"),
        (vec!["app", "get", "nobody"], 4, "asked: GET http"),
        (vec!["app", "update", &app, "--metadata", "{"], 2, "--metadata is no JSON"),
        (vec!["app", "update", &app, "--throttle-rate", "few"], 2, "`few` is no whole number"),
        (vec!["event-type", "update", "a", "--archived", "yes"], 2, "neither true nor false"),
        (vec!["message", "expunge-all", &app], 2, "--yes"),
        (vec!["message", "expunge-many", &app, "m"], 2, "--yes"),
        (vec!["message", "send", &app, "test.sent", "nowhere.json"], 2, "nowhere.json"),
        (vec!["app", "lsit"], 2, "list"),
        (vec!["breaker", "set", ep, "ajar"], 1, "relay: 422 "),
        (vec!["app", "list", "--relay", "ftp://x"], 2, "ftp://x"),
        (vec!["app", "list", "--token", "nobody"], 1, "RELAY_TOKEN"),
        (vec!["healthcheck", "http://127.0.0.1:9"], 1, "http://127.0.0.1:9"),
        (vec!["healthcheck", &relay.api], 1, "/ready"),
    ] {
        let refused = ask(&home, &relay, &args).await;
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(expected), "{args:?}: {said}");
        assert_eq!(text(&refused.stdout), "", "{args:?}");
    }
    relay.call("GET", &format!("/app/{app}"), "").await.expect(200);
}

#[linchpin_testing::test]
async fn a_terminal_is_asked_before_something_is_deleted() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    for (typed, agrees) in [("", false), ("n", false), ("no", false), ("y", true), (" Y ", true)] {
        let (app, _) = relay.application(&[]).await;
        let line = format!("{} app delete {app}", env!("CARGO_BIN_EXE_relay"));
        let script = format!("echo '{typed}' | script -qec '{line}' /dev/null");
        let mut terminal = home.start_script(&script, &environment(&relay));
        let asked = format!("all it has: {app}? [y/N] ");
        terminal.printed("the question", |text| text.contains(&asked).then_some(())).await;
        let code = if agrees { 0 } else { 2 };
        assert_eq!(terminal.wait(PATIENCE).await.code(), Some(code), "`{typed}`: {terminal}");
        let left = if agrees { 404 } else { 200 };
        relay.call("GET", &format!("/app/{app}"), "").await.expect(left);
        assert_ne!(terminal.to_string().contains("nothing was done"), agrees, "{terminal}");
    }
}

#[linchpin_testing::test]
async fn a_message_with_a_key_is_made_once() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[]).await;
    std::fs::write(home.path().join("payload.json"), "{}").expect("write");
    let mut ids = BTreeSet::new();
    for key in [&["--idempotency-key", "inv-7"][..], &["--idempotency-key", "inv-7"], &[]] {
        let send = ["message", "send", &app, "test.sent", "payload.json"];
        let sent = ask(&home, &relay, &[&send[..], key].concat()).await;
        let sent: Value = serde_json::from_slice(&sent.stdout).expect("JSON");
        ids.insert(sent["id"].to_string());
    }
    assert_eq!(ids.len(), 2);
}

#[linchpin_testing::test]
async fn what_became_of_attempts_is_seen_in_80_columns() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let relay = home.serve(&[]).await;
    let (app, endpoints) = relay.application(&[&receiver.url("/hook")]).await;
    let message = relay.message(&app, "{}").await;
    relay.attempts(&app, &message, 1).await;
    for (list, other) in [
        (format!("attempt list {app} {}", endpoints[0]), &message),
        (format!("attempt of {app} {message}"), &endpoints[0]),
    ] {
        let line = format!("stty cols 80 rows 24; {} {list}", env!("CARGO_BIN_EXE_relay"));
        let script = format!("script -qec '{line}' /dev/null");
        let mut terminal = home.start_script(&script, &environment(&relay));
        assert_eq!(terminal.wait(PATIENCE).await.code(), Some(0), "{terminal}");
        let shown = terminal.to_string();
        let row = shown.lines().find(|line| line.contains("success")).expect("a row").trim_end();
        assert!(row.contains("  200  ") && row.contains(other.as_str()), "{shown}");
        assert!(row.chars().count() <= 80 && row.ends_with('…'), "{shown}");
    }
}

#[linchpin_testing::test]
async fn tail_shows_attempts_while_they_happen() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    let args =
        ["attempt", "tail", "--topic", "attempt.failed", "--admin", &relay.admin, "-o", "table"];
    let mut tail = home.start(&args);
    eventually("followed", async || relay.counted("relay_event_listeners").await == 1).await;
    receiver.reply("/hook", [Reply::Status(503)]);
    let message = relay.message(&app, "{}").await;
    let line = tail
        .printed("an attempt", |text| {
            text.lines().find(|line| line.contains(&message)).map(str::to_owned)
        })
        .await;
    assert!(line.contains("attempt.failed") && line.ends_with("attempt 1  503"), "{line}");
    tail.terminate().await;
    tail.wait(PATIENCE).await;
}

#[linchpin_testing::test]
async fn completions_parse_in_bash() {
    let home = Home::new();
    let mut parsed = home
        .start_script("relay completions bash > all; bash -n all; grep -q replay-missing all", &[]);
    assert_eq!(parsed.wait(PATIENCE).await.code(), Some(0), "{parsed}");
}

#[linchpin_testing::test]
async fn a_client_variable_does_not_stop_serve() {
    let home = Home::new();
    let client = [
        ("RELAY_URL", "https://relay.example"),
        ("RELAY_TOKEN", "t"),
        ("RELAY_ADMIN_URL", "http://x"),
    ];
    let checked = home.run_with(&["check-config"], &client).await;
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let typo = home.run_with(&["check-config"], &[("RELAY_TOKN", "t")]).await;
    assert_eq!(typo.status.code(), Some(2), "any other variable is still looked at: {typo:?}");
}

#[linchpin_testing::test]
async fn the_token_of_this_place_goes_to_no_other() {
    const STRONG: &str = "q3J0vN8sYk1hT5mXbR7eZcA2uLwPdF9gKiHoVtQnMyE=";
    const KEY: &str = "k1:Xd9DjKVT9CYK1cgHv8rXkQpu8dEK+Uc5rMZ4qSm2n7I=";
    let home = Home::new();
    let secret = [
        ("RELAY_MODE", "production"),
        ("RELAY_JWT_SECRET", STRONG),
        ("RELAY_ENCRYPTION_KEYS", KEY),
    ];
    let refused = home.run_with(&["app", "list", "--relay", "http://127.0.0.1:9"], &secret).await;
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(text(&refused.stderr).contains("RELAY_TOKEN"), "{refused:?}");
    let own = home
        .run_with(&["app", "list"], &[&secret[..], &[("RELAY_LISTEN", "127.0.0.1:9")]].concat())
        .await;
    assert!(text(&own.stderr).contains("no answer from http://127.0.0.1:9"), "{own:?}");
}

#[linchpin_testing::test]
async fn no_token_is_in_the_output() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    for (args, token) in [
        (&["app", "list", "-o", "json"][..], relay.token.as_str()),
        (&["app", "get", "nobody"], &relay.token),
        (&["app", "list"], "secret-of-somebody"),
        (&["app", "list"], "no header may\thold\u{1}this"),
    ] {
        let variables = [("RELAY_URL", relay.api.as_str()), ("RELAY_TOKEN", token)];
        let asked = home.run_with(args, &variables).await;
        let all = text(&asked.stdout) + &text(&asked.stderr);
        assert!(!all.contains(token), "{all}");
    }
}

/// The variables with which `relay` asks this one.
fn environment(relay: &Relay) -> [(&str, &str); 3] {
    [("RELAY_URL", &relay.api), ("RELAY_TOKEN", &relay.token), ("RELAY_ADMIN_URL", &relay.admin)]
}

async fn ask(home: &Home, relay: &Relay, args: &[&str]) -> Output {
    home.run_with(args, &environment(relay)).await
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
