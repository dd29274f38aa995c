//! Whoever asks for what is not there reads JSON, as for all else.

use serde_json::Value;

use crate::process::Home;

#[linchpin_testing::test]
async fn w14_unknown_paths_and_methods_are_json() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    let bearer = format!("Bearer {}", relay.token);
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(1 << 20));
    let (json, text) = ("application/json", "text/plain");
    for (method, path, kind, body, status, code) in [
        ("GET", "/nope", json, "", 404, "not_found"),
        ("POST", "/stream", json, "{}", 404, "not_found"),
        ("GET", "/app/a/b/c/d/e", json, "", 404, "not_found"),
        ("DELETE", "/app", json, "", 405, "method_not_allowed"),
        ("PATCH", "/background-task", json, "{}", 405, "method_not_allowed"),
        ("POST", "/app", json, &large, 413, "payload_too_large"),
        ("POST", "/app", text, r#"{"name":"n"}"#, 415, "unsupported_media_type"),
        ("GET", "/app?limit=many", json, "", 400, "generic_error"),
    ] {
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        let answer = relay.call_with(method, path, &headers, body).await.expect(status);
        told(&answer.body, &answer.headers, status, code);
    }
    let answer = relay.call_with("GET", "/app", &[], "").await.expect(401);
    told(&answer.body, &answer.headers, 401, "authentication_failed");
    assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"relay\"");

    // A fault of ours, which is told as one.
    let database = rusqlite::Connection::open(home.database()).expect("open");
    database.execute_batch("DROP TABLE event_type").expect("drop");
    let answer = relay.call("GET", "/event-type", "").await.expect(500);
    told(&answer.body, &answer.headers, 500, "internal");
}

/// What the clients of all languages parse: two texts.
#[track_caller]
fn told(body: &[u8], headers: &http::HeaderMap, status: u16, code: &str) {
    assert_eq!(headers["content-type"], "application/json");
    let body: Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!((&body["code"], &body["status"]), (&code.into(), &status.into()), "{body}");
    assert!(body["detail"].is_string(), "{body}");
}
