//! What has its effect once is known on disk, by its body, for a day, and without its content.

use linchpin::time::Timestamp;
use linchpin_data::idempotency::TTL;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::api::Api;
use crate::process::http::Answer;
use crate::process::{Home, PATIENCE, Relay, eventually};

const BODY: &str = r#"{"eventType":"a","payload":{"secret":"0123456789abcdef"}}"#;

async fn send(relay: &Relay, app: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {}", relay.token);
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "key")];
    relay.call_with("POST", &format!("/app/{app}/msg"), &headers, body).await
}

#[linchpin_testing::test]
async fn w08_a_key_survives_a_kill_and_is_bound_to_its_body() {
    let home = Home::new();
    let mut relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[]).await;
    let first = send(&relay, &app, BODY).await.expect(202);
    relay.kill().await;
    let relay = home.serve(&[]).await;
    let again = send(&relay, &app, BODY).await.expect(202);
    assert_eq!(again.body, first.body);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let other = send(&relay, &app, &BODY.replace("0123", "3210")).await.expect(422).json();
    assert_eq!(other["code"], "idempotency_key_reused");
    assert_eq!(home.query::<i64>("SELECT count(*) FROM message"), [1]);
}

#[linchpin_testing::test]
async fn w08_records_go_after_24_hours() {
    let home = Home::new();
    let mut relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[]).await;
    let first = send(&relay, &app, BODY).await.expect(202).text("id");
    relay.terminate().await;
    assert_eq!(relay.wait(PATIENCE).await.code(), Some(0), "{}", *relay);
    let age_until = |then: Timestamp| {
        let then = then.as_micros();
        let database = Connection::open(home.database()).expect("open");
        database.execute("UPDATE idempotency SET created_at = ?1", [then]).expect("age");
    };

    age_until(Timestamp::now() - TTL + PATIENCE);
    let mut relay = home.serve(&[]).await;
    assert_eq!(send(&relay, &app, BODY).await.expect(202).text("id"), first);
    relay.terminate().await;
    assert_eq!(relay.wait(PATIENCE).await.code(), Some(0), "{}", *relay);

    age_until(Timestamp::now() - TTL);
    let relay = home.serve(&[]).await;
    eventually("pruned", async || home.query::<i64>("SELECT count(*) FROM idempotency") == [0])
        .await;
    assert_ne!(send(&relay, &app, BODY).await.expect(202).text("id"), first);
}

/// Every client takes the detail of a 422 for a list, and one of them breaks at a text.
#[linchpin_testing::test]
async fn w08_a_reused_key_is_a_validation_error_to_every_client() {
    let api = Api::new();
    api.app("shop").await;
    api.post_once("key", "/app/shop/msg", BODY).await.ok(202);
    let reply = api.post_once("key", "/app/shop/msg", &BODY.replace("0123", "3210")).await;
    assert_eq!(reply.faults("idempotency_key_reused"), ["header.idempotency-key"]);
    let body = reply.json();
    assert_eq!((&body["code"], &body["status"]), (&json!("idempotency_key_reused"), &json!(422)));
}

/// Whatever takes the content of a message away takes it from its record, too: it is in one place.
#[linchpin_testing::test]
async fn w08_the_record_of_a_message_keeps_no_content() {
    let api = Api::new();
    api.app("shop").await;
    let path = "/app/shop/msg";
    let first = api.post_once("key", path, BODY).await.ok(202);
    let secret = "SELECT count(*) FROM idempotency WHERE instr(body, '0123456789abcdef') > 0";
    assert_eq!(api.number(secret).await, 0);
    let length = api.number("SELECT max(length(body)) FROM idempotency").await;
    assert!(length < 80, "{length}");

    api.change("UPDATE message SET payload = x'7b7d'").await;
    let again = api.post_once("key", path, BODY).await.ok(202);
    assert_eq!((&again["id"], &again["payload"]), (&first["id"], &json!({})));
    let short = "/app/shop/msg?with_content=false";
    let first = api.post_once("other", short, BODY).await.ok(202);
    assert_eq!(api.post_once("other", short, BODY).await.ok(202), first);
    assert_eq!(first["payload"], json!({}));
}

#[linchpin_testing::test]
async fn w08_a_record_outlives_the_name_and_the_application_of_its_message() {
    let api = Api::new();
    api.app("shop").await;
    let first = api.post_once("key", "/app/shop/msg", BODY).await.ok(202);
    api.delete("/app/shop").await.empty(204);
    assert_eq!(api.post_once("key", "/app/shop/msg", BODY).await.ok(202), first);
    api.app("shop").await;
    assert_eq!(api.post_once("key", "/app/shop/msg", BODY).await.ok(202), first);
    api.change("DELETE FROM message").await;
    api.post_once("key", "/app/shop/msg", BODY).await.not_found();
    assert_eq!(api.get("/app/shop/msg").await.ok(200)["data"], Value::Array(Vec::new()));
}
