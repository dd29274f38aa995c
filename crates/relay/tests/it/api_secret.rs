//! The secrets of endpoints: what is shown of them, and their rotation.

use linchpin_security::webhook::Secret;
use serde_json::json;

use crate::api::Api;

const HOOK: &str = "/app/shop/endpoint/hook";
const KEY: &str = "/app/shop/endpoint/hook/secret";
const ROTATE: &str = "/app/shop/endpoint/hook/secret/rotate";
/// Of the Standard Webhooks specification, and the half of it that verifies.
const PAIR: &str =
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";

/// A shop with the endpoint `hook`, whose secret is this one if there is one.
async fn hook(secret: Option<&str>) -> Api {
    let api = Api::new();
    api.app("shop").await;
    let body = json!({ "url": "https://example.com/", "uid": "hook", "secret": secret });
    api.post("/app/shop/endpoint", body).await.ok(201);
    api
}

#[linchpin_testing::test]
async fn a_rotation_answers_the_new_secret() {
    let api = hook(None).await;
    let before = api.get(KEY).await.ok(200);
    let made = api.post(ROTATE, json!({})).await.ok(200);
    assert_ne!(made, before);
    assert!(made["key"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(api.get(KEY).await.ok(200), made);
    let given = json!({ "key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" });
    assert_eq!(api.post(ROTATE, given.clone()).await.ok(200), given);
    assert_eq!(api.get(KEY).await.ok(200), given);
}

#[linchpin_testing::test]
async fn a_private_half_is_never_shown() {
    let api = hook(Some(PAIR)).await;
    let public = json!({ "key": PUBLIC });
    assert_eq!(api.get(KEY).await.ok(200), public);
    // One of the same kind is made.
    let made = api.post(ROTATE, json!({ "key": null })).await.ok(200);
    assert!(made["key"].as_str().unwrap().starts_with("whpk_") && made != public, "{made}");
    assert_eq!(api.post(ROTATE, json!({ "key": PAIR })).await.ok(200), public);
    assert_eq!(
        api.post_once("a", ROTATE, "{}").await.ok(200),
        api.post_once("a", ROTATE, "{}").await.ok(200)
    );
    assert!(
        api.post_once("a", ROTATE, "{}").await.ok(200)["key"]
            .as_str()
            .unwrap()
            .starts_with("whpk_")
    );
}

#[linchpin_testing::test]
async fn what_is_no_secret_is_refused() {
    let api = hook(None).await;
    let public = Secret::generate_pair().public_key().unwrap().to_string();
    for key in [&public, "plain", "whsec_c2hvcnQ=", "whsec_!", ""] {
        let reply = api.post(ROTATE, json!({ "key": key })).await;
        assert_eq!(reply.faults("value_error"), ["body.key"], "{key}");
        let body = json!({ "url": "https://example.com/", "secret": key });
        let reply = api.post("/app/shop/endpoint", body).await;
        assert_eq!(reply.faults("value_error"), ["body.secret"], "{key}");
    }
    let reply = api.post(ROTATE, json!({ "gracePeriodSeconds": 604_801 })).await;
    assert_eq!(reply.faults("value_error"), ["body.gracePeriodSeconds"]);
    for grace in [json!(-1), json!("1"), json!(0.5)] {
        let reply = api.post(ROTATE, json!({ "gracePeriodSeconds": grace })).await;
        assert_eq!(reply.faults("value_error.jsondecode"), ["body.gracePeriodSeconds"]);
    }
    api.post("/app/shop/endpoint/none/secret/rotate", json!({})).await.not_found();
    api.delete(HOOK).await.empty(204);
    api.post(ROTATE, json!({})).await.not_found();
}

#[linchpin_testing::test]
async fn ten_old_secrets_are_the_limit() {
    let api = hook(None).await;
    let first = api.get(KEY).await.ok(200);
    for _ in 0..10 {
        api.post(ROTATE, json!({ "gracePeriodSeconds": 604_800 })).await.ok(200);
    }
    let present = api.get(KEY).await.ok(200);
    api.post(ROTATE, json!({})).await.error(400, "limit_reached");
    assert_eq!(api.get(KEY).await.ok(200), present);
    // One that leaves nothing behind may come, and one that is among them.
    api.post(ROTATE, json!({ "gracePeriodSeconds": 0 })).await.ok(200);
    api.post(ROTATE, first).await.ok(200);
    api.post(ROTATE, json!({})).await.error(400, "limit_reached");
}

#[linchpin_testing::test]
async fn a_rotation_to_the_present_secret_changes_nothing() {
    let api = hook(None).await;
    let (before, key) = (api.get(HOOK).await.ok(200), api.get(KEY).await.ok(200));
    assert_eq!(api.post(ROTATE, key.clone()).await.ok(200), key);
    assert_eq!(api.get(HOOK).await.ok(200), before);
    assert_eq!(api.number("SELECT count(old_secrets) FROM endpoint").await, 0);
    api.post(ROTATE, json!({})).await.ok(200);
    assert_eq!(api.number("SELECT count(old_secrets) FROM endpoint").await, 1);
}

#[linchpin_testing::test]
async fn a_repeated_rotation_key_rotates_once() {
    let api = hook(None).await;
    let first = api.post_once("again", ROTATE, "{}").await;
    let again = api.post_once("again", ROTATE, "{}").await;
    assert_eq!(
        (first.ok(200), again.headers.get("idempotent-replayed").is_some()),
        (again.ok(200), true)
    );
    assert_eq!(api.get(KEY).await.ok(200), first.ok(200));
    let other = api.post_once("again", ROTATE, r#"{"gracePeriodSeconds":1}"#).await;
    assert_eq!(other.status, 422);
    // The record of it has no secret.
    let recorded = "SELECT count(*) FROM idempotency WHERE instr(body, x'776873') > 0";
    assert_eq!(api.number(recorded).await, 0);
    assert_eq!(api.number("SELECT count(*) FROM idempotency").await, 1);
}
