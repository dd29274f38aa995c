//! The headers that an endpoint wants with every delivery.

use serde_json::{Value, json};

use crate::api::Api;

const HOOK: &str = "/app/shop/endpoint/hook";
const HEADERS: &str = "/app/shop/endpoint/hook/headers";
const URL: &str = "https://example.com/";

/// A shop with the endpoint `hook`, made with these headers.
async fn hook(headers: Value) -> Api {
    let api = Api::new();
    api.app("shop").await;
    let body = json!({ "url": URL, "uid": "hook", "headers": headers });
    api.post("/app/shop/endpoint", body).await.ok(201);
    api
}

async fn names(api: &Api) -> Vec<String> {
    let shown = api.get(HEADERS).await.ok(200);
    shown["headers"].as_object().unwrap().keys().cloned().collect()
}

#[linchpin_testing::test]
async fn sensitive_values_are_withheld_and_sealed() {
    let api = hook(json!(null)).await;
    assert_eq!(api.get(HEADERS).await.ok(200), json!({ "headers": {}, "sensitive": [] }));
    let headers = json!({
        "Authorization": "Bearer hidden-value", "x-api-key": "hidden-value", "X-Auth-Token": "hidden-value",
        "www-authenticate": "hidden-value", "X-Team": "blue team",
    });
    api.put(HEADERS, json!({ "headers": headers })).await.empty(204);
    let sensitive = ["authorization", "www-authenticate", "x-api-key", "x-auth-token"];
    let shown = json!({ "headers": { "x-team": "blue team" }, "sensitive": sensitive });
    assert_eq!(api.get(HEADERS).await.ok(200), shown);
    let sealed =
        "SELECT count(*) FROM endpoint WHERE headers LIKE 's1.%' AND headers NOT LIKE '%hidden%'";
    assert_eq!(api.number(sealed).await, 1);
    // A patch that names none of them keeps them.
    api.patch(HEADERS, json!({ "headers": { "x-team": "red" } })).await.empty(204);
    let shown = json!({ "headers": { "x-team": "red" }, "sensitive": sensitive });
    assert_eq!(api.get(HEADERS).await.ok(200), shown);
}

#[linchpin_testing::test]
async fn put_replaces_and_patch_sets_and_removes() {
    let api = hook(json!({ "X-A": "1", "x-b": "2" })).await;
    assert_eq!(names(&api).await, ["x-a", "x-b"]);
    api.patch(HEADERS, json!({ "headers": { "X-B": null, "x-c": "3", "x-none": null } }))
        .await
        .empty(204);
    assert_eq!(names(&api).await, ["x-a", "x-c"]);
    // As the client libraries do it.
    api.patch(HEADERS, json!({ "headers": {}, "deleteHeaders": ["X-A"] })).await.empty(204);
    api.patch(HEADERS, json!({ "deleteHeaders": ["x-none"] })).await.empty(204);
    assert_eq!(names(&api).await, ["x-c"]);
    api.put(HEADERS, json!({ "headers": { "x-d": "" } })).await.empty(204);
    assert_eq!(names(&api).await, ["x-d"]);
    api.put(HEADERS, json!({ "headers": {} })).await.empty(204);
    assert_eq!(api.number("SELECT count(headers) FROM endpoint").await, 0);
}

#[linchpin_testing::test]
async fn put_of_the_endpoint_keeps_headers_unless_it_has_some() {
    let api = hook(json!({ "x-a": "1" })).await;
    api.put(HOOK, json!({ "url": URL, "uid": "hook" })).await.ok(200);
    assert_eq!(names(&api).await, ["x-a"]);
    api.put(HOOK, json!({ "url": URL, "uid": "hook", "headers": { "x-b": "2" } })).await.ok(200);
    assert_eq!(names(&api).await, ["x-b"]);
    api.put(
        "/app/shop/endpoint/new",
        json!({ "url": URL, "uid": "new", "headers": { "x-c": "3" } }),
    )
    .await
    .ok(201);
    let shown = api.get("/app/shop/endpoint/new/headers").await.ok(200);
    assert_eq!(shown["headers"], json!({ "x-c": "3" }));
    // They belong to the endpoint, and are not shown with it.
    assert_eq!(api.get(HOOK).await.ok(200).get("headers"), None);
}

#[linchpin_testing::test]
async fn s07_forbidden_headers_are_refused() {
    let api = hook(json!({ "x-a": "1" })).await;
    for name in [
        "Host",
        "Content-Length",
        "content-type",
        "Content-Encoding",
        "content-language",
        "content-location",
        "Transfer-Encoding",
        "Connection",
        "TE",
        "trailer",
        "trailers",
        "Upgrade",
        "expect",
        "Proxy-Authorization",
        "proxy-authenticate",
        "proxy-connection",
        "User-Agent",
        "Cookie",
        "keep-alive",
        "age",
        "cache-control",
        "clear-site-data",
        "expires",
        "pragma",
        "warning",
        "Svix-Id",
        "webhook-signature",
        "X-Svix-Any",
        "x-amz-date",
        "X-Amzn-Trace-Id",
        "x-google-any",
        "x-goog-any",
        "x-gfe-any",
        "x-azure-any",
        "x-fd-any",
        "",
        "a b",
        "a:b",
        "ä",
        "a\r\nb",
    ] {
        let faults = vec![format!("body.headers.{name}")];
        let body = json!({ "headers": { name: "value" } });
        assert_eq!(api.put(HEADERS, body.clone()).await.faults("value_error"), faults);
        assert_eq!(api.patch(HEADERS, body).await.faults("value_error"), faults);
        let body = json!({ "url": URL, "headers": { name: "value" } });
        assert_eq!(api.post("/app/shop/endpoint", body).await.faults("value_error"), faults);
    }
    assert_eq!(names(&api).await, ["x-a"]);
    let taken = json!({ "accept": "text/plain", "x-hook": "1", "svix": "1", "x-forwarded-for": "1", "contents": "1" });
    api.put(HEADERS, json!({ "headers": taken })).await.empty(204);
}

#[linchpin_testing::test]
async fn s07_header_injection_is_refused() {
    let api = hook(json!(null)).await;
    for value in ["a\r\nx-b: 2", "a\nb", "a\rb", "a\0b", "a\u{7f}", "ä", &"a".repeat(4097)] {
        let reply = api.put(HEADERS, json!({ "headers": { "X-A": value, "x-good": "1" } })).await;
        assert_eq!(reply.faults("value_error"), ["body.headers.X-A"]);
        let reply = api.patch(HEADERS, json!({ "headers": { "X-A": value } })).await;
        assert_eq!(reply.faults("value_error"), ["body.headers.X-A"]);
    }
    let reply = api.put(HEADERS, json!({ "headers": { "x-a": 1 } })).await;
    assert_eq!(reply.faults("value_error.jsondecode"), ["body.headers.x-a"]);
    let twice = json!({ "headers": { "X-A": "1", "x-a": "2" } });
    assert_eq!(api.put(HEADERS, twice).await.faults("value_error"), ["body.headers.x-a"]);
    assert_eq!(names(&api).await, [""; 0]);
    let good = json!({ "headers": { "X-A": format!("\t {}", "~".repeat(4094)) } });
    api.put(HEADERS, good).await.empty(204);
}

#[linchpin_testing::test]
async fn headers_are_bounded_in_number_and_bytes() {
    let api = hook(json!(null)).await;
    let many = |count: usize, bytes: usize| {
        let one = |n| (format!("x-{n:02}"), json!("v".repeat(bytes)));
        json!({ "headers": (0..count).map(one).collect::<serde_json::Map<_, _>>() })
    };
    assert_eq!(api.put(HEADERS, many(51, 1)).await.faults("value_error"), ["body.headers"]);
    // Four bytes are the name.
    assert_eq!(api.put(HEADERS, many(4, 4093)).await.faults("value_error"), ["body.headers"]);
    api.put(HEADERS, many(4, 4092)).await.empty(204);
    // What a patch adds counts with what is there.
    let more = json!({ "headers": { "x-more": "1" } });
    assert_eq!(api.patch(HEADERS, more.clone()).await.faults("value_error"), ["body.headers"]);
    api.put(HEADERS, many(50, 1)).await.empty(204);
    assert_eq!(api.patch(HEADERS, more).await.faults("value_error"), ["body.headers"]);
    api.patch(HEADERS, json!({ "headers": { "x-more": "1", "x-00": null } })).await.empty(204);
}

#[linchpin_testing::test]
async fn headers_of_what_is_not_there_are_not_found() {
    let api = hook(json!({ "x-a": "1" })).await;
    api.delete(HOOK).await.empty(204);
    api.get(HEADERS).await.not_found();
    api.put(HEADERS, json!({ "headers": {} })).await.not_found();
    api.patch(HEADERS, json!({ "headers": {} })).await.not_found();
}
