//! Operational webhooks, asked for and verified through the client.

use serde_json::{Value, json};

use super::super::sdk::webhooks::Webhook;
use super::super::{EVENT_TYPES, upsert_operational};
use super::client::{Bench, http_error, input, invalid, view};

#[linchpin_testing::test]
async fn the_client_makes_an_operational_endpoint_and_verifies_what_it_is_told() {
    let bench = Bench::start(&[]).await;
    let operational = bench.svix.operational_webhook();
    let endpoints = operational.endpoint();
    let mut body = json!({ "url": bench.receiver.url("/ops"), "uid": "ops" });
    body[EVENT_TYPES] = json!(["endpoint.created", "endpoint.deleted"]);
    let made = endpoints.create(input(body), None).await.expect("create");
    assert_eq!(view(&made)[EVENT_TYPES], json!(["endpoint.created", "endpoint.deleted"]));
    let all = endpoints.list(None).await.expect("list");
    assert_eq!(view(&all.data), json!([made]));

    let app = bench.application().await;
    let hook = bench.endpoint(&app, "/hook", json!({ "uid": "hook" })).await;
    let patch = input(json!({ "description": "not asked for" }));
    bench.svix.endpoint().patch(app.clone(), hook.clone(), patch).await.expect("patch");
    bench.svix.endpoint().delete(app.clone(), hook.clone()).await.expect("delete");
    let received = bench.receiver.wait("/ops", 2).await;
    bench.settled().await;
    assert_eq!(bench.receiver.received("/ops").len(), 2);
    let secret = endpoints.get_secret(made.id.clone()).await.expect("secret").key;
    let secret = Webhook::new(&secret).expect("a secret");
    let mut kinds = Vec::new();
    for delivery in &received {
        secret.verify(&delivery.body, &delivery.headers).expect("verified by the client");
        let told: Value = serde_json::from_slice(&delivery.body).expect("JSON");
        let about =
            json!({ "appId": app, "appUid": null, "endpointId": hook, "endpointUid": "hook" });
        assert_eq!(told["data"], about);
        kinds.push(told["type"].as_str().expect("a type").to_owned());
    }
    kinds.sort();
    assert_eq!(kinds, ["endpoint.created", "endpoint.deleted"]);

    endpoints.delete(made.id.clone()).await.expect("delete");
    assert_eq!(http_error(endpoints.get(made.id).await), (404, "not_found".into()));
}

#[linchpin_testing::test]
async fn the_client_reads_why_an_operational_endpoint_is_refused() {
    let bench = Bench::start(&[]).await;
    let operational = bench.svix.operational_webhook();
    let mut body = json!({ "url": bench.receiver.url("/ops") });
    body[EVENT_TYPES] = json!(["invoice.paid"]);
    let refused = operational.endpoint().create(input(body), None).await;
    assert_eq!(invalid(refused), ["body.eventTypes"]);
    let url = bench.receiver.url("/ops");
    let put = upsert_operational(&bench.svix, "ops", url.clone()).await.expect("created");
    let again = upsert_operational(&bench.svix, &put, url).await.expect("replaced");
    assert_eq!(again, put);
}
