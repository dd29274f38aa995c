//! Secrets and their rotation.

use serde_json::{Value, json};

use super::client::{Bench, input, view};

#[linchpin_testing::test]
async fn w13_the_client_takes_a_rotation_and_verifies_by_either_secret() {
    let bench = Bench::start(&[]).await;
    let app = bench.application().await;
    let endpoint = bench.endpoint(&app, "/hook", json!({})).await;
    let key = async || {
        let endpoints = bench.svix.endpoint();
        endpoints.get_secret(app.clone(), endpoint.clone()).await.expect("secret").key
    };
    let before = key().await;
    let rotation = input(json!({}));
    bench
        .svix
        .endpoint()
        .rotate_secret(app.clone(), endpoint.clone(), rotation, None)
        .await
        .expect("rotated");
    assert_ne!(key().await, before);
    bench.message(&app, json!({ "eventType": "a", "payload": {} })).await;
    let received = bench.receiver.wait("/hook", 1).await;
    bench.verify(&app, &endpoint, &received[0]).await;
    let old = super::super::sdk::webhooks::Webhook::new(&before).expect("a secret");
    old.verify(&received[0].body, &received[0].headers).expect("signed by the old one, too");
}

#[linchpin_testing::test]
async fn the_client_sets_and_deletes_headers() {
    let bench = Bench::start(&[]).await;
    let app = bench.application().await;
    let headers = json!({ "headers": { "X-Team": "blue", "X-Api-Key": "hidden" } });
    let endpoint = bench.endpoint(&app, "/hook", headers).await;
    let endpoints = bench.svix.endpoint();
    let shown = async || -> Value {
        view(&endpoints.get_headers(app.clone(), endpoint.clone()).await.expect("headers"))
    };
    assert_eq!(
        shown().await,
        json!({ "headers": { "x-team": "blue" }, "sensitive": ["x-api-key"] })
    );
    let patch = input(json!({ "headers": { "x-more": "1" }, "deleteHeaders": ["X-Team"] }));
    endpoints.patch_headers(app.clone(), endpoint.clone(), patch).await.expect("patched");
    assert_eq!(shown().await, json!({ "headers": { "x-more": "1" }, "sensitive": ["x-api-key"] }));
    bench.message(&app, json!({ "eventType": "a", "payload": {} })).await;
    let received = bench.receiver.wait("/hook", 1).await;
    assert_eq!((received[0].header("x-api-key"), received[0].header("x-more")), ("hidden", "1"));
    assert!(received[0].headers.get("x-team").is_none());
}
