//! What a restart keeps, and databases that must not be opened.

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, PATIENCE};

#[linchpin_testing::test]
async fn a_restart_keeps_everything() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let mut relay = home.serve(&[]).await;
    let (app, endpoints) = relay.application(&[&receiver.url("/hook")]).await;
    relay.call("POST", "/event-type", r#"{"name":"a.b","description":"kept"}"#).await.expect(201);
    let message = relay.message(&app, r#"{"n": 1e3}"#).await;
    relay.attempts(&app, &message, 1).await;
    let paths = [
        "/app".to_owned(),
        "/event-type".to_owned(),
        format!("/app/{app}/endpoint"),
        format!("/app/{app}/endpoint/{}/secret", endpoints[0]),
        format!("/app/{app}/msg"),
        format!("/app/{app}/attempt/msg/{message}"),
    ];
    let mut before = Vec::new();
    for path in &paths {
        before.push(relay.call("GET", path, "").await.expect(200).body);
    }
    relay.terminate().await;
    assert_eq!(relay.wait(PATIENCE).await.code(), Some(0), "{}", *relay);

    let relay = home.serve(&[]).await;
    for (path, before) in paths.iter().zip(before) {
        assert_eq!(relay.call("GET", path, "").await.expect(200).body, before, "{path}");
    }
    let second = relay.message(&app, "{}").await;
    let received = receiver.wait("/hook", 2).await;
    assert_eq!(received[1].header("svix-id"), second, "the first was not sent again");
}

#[linchpin_testing::test]
async fn a_repeated_key_is_known_after_a_kill() {
    let home = Home::new();
    let mut relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[]).await;
    let path = format!("/app/{app}/msg");
    let bearer = format!("Bearer {}", relay.token);
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k")];
    let body = r#"{"eventType":"a","payload":{}}"#;
    let first = relay.call_with("POST", &path, &headers, body).await.expect(202).text("id");
    relay.kill().await;
    let relay = home.serve(&[]).await;
    let again = relay.call_with("POST", &path, &headers, body).await.expect(202);
    assert_eq!(again.text("id"), first);
    assert_eq!(again.headers.get("idempotent-replayed").expect("a mark"), "true");
}

#[linchpin_testing::test]
async fn w06_a_due_retry_survives_a_kill() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let mut relay = home.serve(&["--retry-schedule", "1s"]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    receiver.reply("/hook", [Reply::Status(500)]);
    let message = relay.message(&app, r#"{"n":1}"#).await;
    assert_eq!(relay.attempts(&app, &message, 1).await, [500]);
    relay.kill().await;

    let relay = home.serve(&["--retry-schedule", "1s"]).await;
    let received = receiver.wait("/hook", 2).await;
    assert_eq!(received[1].header("svix-id"), message);
    assert_eq!(received[1].body, received[0].body);
    assert_eq!(relay.attempts(&app, &message, 2).await, [500, 200]);
}

#[linchpin_testing::test]
async fn w06_a_delivery_that_was_under_way_at_a_kill_is_made_again() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let mut relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    receiver.reply("/hook", [Reply::Hang]);
    let message = relay.message(&app, "{}").await;
    receiver.wait("/hook", 1).await;
    relay.kill().await;

    let relay = home.serve(&[]).await;
    let received = receiver.wait("/hook", 2).await;
    assert_eq!(received[1].header("svix-id"), message);
    assert_eq!(relay.attempts(&app, &message, 1).await, [200]);
}

#[linchpin_testing::test]
async fn a_second_process_on_the_same_database_is_refused() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    let database = home.database().display().to_string();
    let flags = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--database",
        &database,
    ];
    let second = home.run(&flags).await;
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("in use") && said.contains(&database), "{said}");
    relay.call("GET", "/app", "").await.expect(200);
}

#[linchpin_testing::test]
async fn migrate_makes_a_database_that_serve_can_use() {
    let home = Home::new();
    let database = home.database().display().to_string();
    let migrated = home.run(&["migrate", "--database", &database]).await;
    assert_eq!(migrated.status.code(), Some(0), "{migrated:?}");
    let said = String::from_utf8_lossy(&migrated.stdout).into_owned();
    assert!(said.contains(&database) && said.contains("schema"), "{said}");
    assert!(home.database().is_file());
    let again = home.run(&["migrate", "--database", &database]).await;
    assert_eq!(again.stdout, migrated.stdout, "a second time changes nothing");
    home.serve(&[]).await.call("GET", "/app", "").await.expect(200);
}

#[linchpin_testing::test]
async fn a_database_of_a_newer_relay_is_refused() {
    let home = Home::new();
    let database = home.database().display().to_string();
    let migrated = home.run(&["migrate", "--database", &database]).await;
    assert_eq!(migrated.status.code(), Some(0), "{migrated:?}");
    let newer = "INSERT INTO _linchpin_migrations (version, name, checksum, applied_at) VALUES (99, 'from the future', x'00', 0)";
    rusqlite::Connection::open(home.database()).expect("open").execute(newer, ()).expect("insert");
    for command in ["migrate", "serve"] {
        let mut args = vec![command, "--database", &database];
        if command == "serve" {
            args.extend(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        }
        let refused = home.run(&args).await;
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("99") && said.contains("newer"), "{said}");
    }
}
