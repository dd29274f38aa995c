//! Every route is called and answers with a success, as Relay itself has counted.

use std::collections::BTreeSet;

use serde_json::json;

use super::super::{
    MAJOR, attempt_stats, bulk_expunge, dashboard_access, set_headers, set_operational_headers,
    upsert_application, upsert_endpoint, upsert_event_type, upsert_operational,
};
use super::client::{Bench, http_error, input};
use crate::sdk::called;

/// The routes with a successful answer, as `GET /app`, from the metrics.
fn answered(metrics: &str) -> BTreeSet<String> {
    let series =
        metrics.lines().filter_map(|line| line.strip_prefix("linchpin_http_requests_total{"));
    let label = |series: &str, name: &str| {
        let (_, value) = series.split_once(&format!("{name}=\"")).expect("the label");
        value.split_once('"').expect("its end").0.to_owned()
    };
    series
        .filter(|series| label(series, "status") == "2xx")
        .filter_map(|series| {
            let route = label(series, "route");
            Some(format!("{} {}", label(series, "method"), route.strip_prefix("/api/v1")?))
        })
        .collect()
}

#[linchpin_testing::test]
async fn every_route_is_called() {
    let bench = Bench::start(&[]).await;
    let svix = &bench.svix;
    svix.health().get().await.expect("health");

    let app = bench.application().await;
    let apps = svix.application();
    apps.list(None).await.expect("list");
    apps.get(app.clone()).await.expect("get");
    let named = input(json!({ "name": "Two", "uid": "two" }));
    upsert_application(svix, "two", named).await.expect("upsert");
    apps.patch("two".into(), input(json!({ "name": "Zwei" }))).await.expect("patch");
    apps.delete("two".into()).await.expect("delete");

    let types = svix.event_type();
    let schemas = json!({ "1": { "examples": [{ "n": 1 }] } });
    let paid = json!({ "name": "paid", "description": "", "schemas": schemas });
    types.create(input(paid), None).await.expect("create");
    types.list(None).await.expect("list");
    types.get("paid".into()).await.expect("get");
    upsert_event_type(svix, "void", "").await.expect("upsert");
    types.patch("void".into(), input(json!({ "deprecated": true }))).await.expect("patch");
    types.delete("void".into(), None).await.expect("delete");
    let webhooks = json!({ "taken.over": { "post": { "deprecated": true } } });
    let import = json!({ "spec": { "openapi": "3.1.0", "webhooks": webhooks }, "dryRun": true });
    let planned = types.import_openapi(input(import), None).await.expect("plan").data;
    let planned = planned.to_modify.expect("a dry run tells them");
    assert_eq!((&*planned[0].name, planned[0].deprecated), ("taken.over", true));
    let import = json!({ "specRaw": "openapi: 3.1.0\nwebhooks: {taken.over: {post: {}}}" });
    let import = types.import_openapi(input(import), None).await.expect("import");
    assert_eq!(import.data.modified, ["taken.over"]);

    let endpoint = bench.endpoint(&app, "/hook", json!({})).await;
    let endpoints = svix.endpoint();
    endpoints.list(app.clone(), None).await.expect("list");
    endpoints.get(app.clone(), endpoint.clone()).await.expect("get");
    endpoints.get_secret(app.clone(), endpoint.clone()).await.expect("secret");
    let (of, by) = (app.clone(), endpoint.clone());
    let key = input(json!({}));
    endpoints.rotate_secret(of.clone(), by.clone(), key, None).await.expect("rotate");
    let headers = json!({ "headers": { "x-one": "1" } });
    set_headers(svix, &of, &by, input(headers.clone())).await.expect("set headers");
    endpoints.patch_headers(of.clone(), by.clone(), input(headers)).await.expect("patch headers");
    endpoints.get_headers(of, by).await.expect("headers");
    let url = bench.receiver.url("/other");
    let other = upsert_endpoint(svix, &app, "other", url).await.expect("upsert").id;
    let patch = input(json!({ "description": "patched" }));
    endpoints.patch(app.clone(), other.clone(), patch).await.expect("patch");
    endpoints.delete(app.clone(), other).await.expect("delete");

    let messages = svix.message();
    let precheck = input(json!({ "eventType": "paid" }));
    messages.precheck(app.clone(), precheck, None).await.expect("precheck");
    let message = bench.message(&app, json!({ "eventType": "paid", "payload": {} })).await;
    bench.receiver.wait("/hook", 1).await;
    bench.settled().await;
    messages.list(app.clone(), None).await.expect("list");
    messages.get(app.clone(), message.clone(), None).await.expect("get");

    let attempts = svix.message_attempt();
    let (of, by) = ((app.clone(), message.clone()), (app.clone(), endpoint.clone()));
    let made = attempts.list_by_msg(of.0.clone(), of.1.clone(), None).await.expect("list").data;
    attempts.list_by_endpoint(by.0.clone(), by.1.clone(), None).await.expect("list");
    attempts.list_attempted_messages(by.0, by.1, None).await.expect("list");
    attempts.list_attempted_destinations(of.0.clone(), of.1.clone(), None).await.expect("list");
    attempts.get(of.0.clone(), of.1.clone(), made[0].id.clone(), None).await.expect("get");
    attempts.resend(app.clone(), message, endpoint.clone(), None).await.expect("resend");

    let example = input(json!({ "eventType": "paid" }));
    endpoints.send_example(app.clone(), endpoint.clone(), example, None).await.expect("example");
    endpoints.get_stats(app.clone(), endpoint.clone(), None).await.expect("stats");
    attempt_stats(svix, &app, &endpoint).await.expect("attempt stats");
    let since = json!({ "since": linchpin::time::Timestamp::now().to_string() });
    let task = endpoints.recover(app.clone(), endpoint.clone(), input(since.clone()), None).await;
    let tasks = svix.background_task();
    tasks.get(task.expect("recover").id).await.expect("get");
    let (of_app, by) = (app.clone(), endpoint.clone());
    endpoints.replay_missing(of_app, by, input(since.clone()), None).await.expect("replay");
    endpoints.bulk_replay(app.clone(), endpoint, input(since.clone()), None).await.expect("bulk");
    let mut stretch = since;
    stretch["until"] = stretch["since"].clone();
    let statistics = svix.statistics();
    statistics.aggregate_app_stats(input(stretch), None).await.expect("usage");
    statistics.aggregate_event_types().await.expect("event types");
    tasks.list(None).await.expect("list");

    attempts.expunge_content(of.0.clone(), of.1.clone(), made[0].id.clone()).await.expect("answer");
    messages.expunge_content(of.0.clone(), of.1.clone()).await.expect("payload");
    bulk_expunge(svix, &of.0, of.1).await.expect("payloads");
    messages.expunge_all_contents(app, None).await.expect("all payloads");

    operational(&bench).await;

    let access = input(json!({ "expiry": 3600, "capabilities": ["ViewBase"] }));
    let access = svix.authentication().app_portal_access(of.0.clone(), access, None).await;
    let own = bench.with_token(access.expect("access").token);
    own.authentication().logout(None).await.expect("logout");
    let ended = http_error(own.application().get(of.0.clone()).await);
    assert_eq!(ended, (401, "authentication_failed".to_owned()));
    dashboard_access(svix, &of.0).await.expect("access");
    let expire = input(json!({ "expiry": 60 }));
    svix.authentication().expire_all(of.0, expire, None).await.expect("expire");

    let owed = called(MAJOR);
    let missing: Vec<_> =
        owed.difference(&answered(&bench.relay.metrics().await)).cloned().collect();
    assert!(missing.is_empty(), "call these here, too: {missing:?}");
}

async fn operational(bench: &Bench) {
    let url = bench.receiver.url("/ops");
    let operational = bench.svix.operational_webhook();
    let endpoints = operational.endpoint();
    endpoints.create(input(json!({ "url": url, "uid": "ops" })), None).await.expect("create");
    endpoints.list(None).await.expect("list");
    let id = endpoints.get("ops".into()).await.expect("get").id;
    upsert_operational(&bench.svix, &id, url).await.expect("upsert");
    endpoints.get_secret(id.clone()).await.expect("secret");
    endpoints.rotate_secret(id.clone(), input(json!({})), None).await.expect("rotate");
    let headers = input(json!({ "headers": { "x-one": "1" } }));
    set_operational_headers(&bench.svix, &id, headers).await.expect("set headers");
    endpoints.get_headers(id.clone()).await.expect("headers");
    endpoints.delete(id).await.expect("delete");
}
