//! The page where an application's users look after their endpoints.

use axum::body::Body;
use http::{Method, Request};
use linchpin::time::Timestamp;
use serde_json::{Value, json};

use crate::api::{Api, Reply};

/// The page and all that it loads, with their types.
const FILES: [(&str, &str); 5] = [
    ("/portal", "text/html; charset=utf-8"),
    ("/portal/portal.css", "text/css; charset=utf-8"),
    ("/portal/portal.js", "text/javascript; charset=utf-8"),
    ("/portal/session.js", "text/javascript; charset=utf-8"),
    ("/portal/view.js", "text/javascript; charset=utf-8"),
];

/// A file, asked for without a token.
async fn file(api: &Api, path: &str) -> (Reply, String) {
    let reply = api.send(Request::get(path).body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status, 200, "{path}");
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    (reply, text)
}

/// What stands between `before` and the next quote, wherever that is in `text`.
fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split_once('"').unwrap().0).collect()
}

#[linchpin_testing::test]
async fn w10_the_portal_needs_nothing_but_its_token() {
    let api = Api::new();
    for (path, kind) in FILES {
        let (reply, text) = file(&api, path).await;
        assert_eq!(reply.headers["content-type"], kind, "{path}");
        let loaded =
            [" src=\"", " href=\"", " from \""].map(|before| quoted(&text, before)).concat();
        for loaded in loaded {
            let loaded = loaded.replacen("./", "portal/", 1);
            assert!(FILES.iter().any(|(file, _)| file[1..] == loaded), "{path} loads {loaded}");
        }
        assert!(!text.contains("url(") && !text.contains("@import"), "{path}");
    }

    let app = api.app("shop").await.to_string();
    api.post("/event-type", json!({ "name": "paid", "description": "" })).await.ok(201);
    let link = api.post("/auth/app-portal-access/shop", json!({})).await.ok(200);
    let (page, token) = link["url"].as_str().unwrap().split_once("#key=").unwrap();
    assert_eq!(
        (page, token),
        ("https://hooks.example.com/portal", link["token"].as_str().unwrap())
    );

    // The calls that the page makes, in the order of somebody who tries all of it.
    let call = async |method, path: &str, body| api.call_as(token, method, path, body).await;
    let (get, post, patch) = (Method::GET, Method::POST, Method::PATCH);
    let shop = format!("/app/{app}");
    call(get.clone(), &shop, Value::Null).await.ok(200);
    call(get.clone(), "/event-type?limit=250", Value::Null).await.ok(200);
    call(get.clone(), &format!("{shop}/endpoint?limit=250"), Value::Null).await.ok(200);
    let new = json!({
        "url": "https://example.com/", "description": "", "eventTypes": ["paid"], "channels": null,
        "throttleRate": null,
    });
    let made = call(post.clone(), &format!("{shop}/endpoint"), new).await.ok(201);
    let endpoint = format!("{shop}/endpoint/{}", made["id"].as_str().unwrap());
    let message = json!({ "eventType": "paid", "payload": {}, "eventId": "e1" });
    api.post("/app/shop/msg", message).await.ok(202);
    let path = endpoint.replace("/endpoint/", "/attempt/endpoint/");
    for path in
        [&endpoint, &format!("{endpoint}/headers"), &format!("{path}?limit=20&with_msg=true")]
    {
        call(get.clone(), path, Value::Null).await.ok(200);
    }
    call(patch.clone(), &endpoint, json!({ "disabled": false })).await.ok(200);
    let headers = json!({ "headers": { "x-one": "1", "x-two": null } });
    call(patch, &format!("{endpoint}/headers"), headers).await.empty(204);
    call(get.clone(), &format!("{endpoint}/secret"), Value::Null).await.ok(200);
    call(post.clone(), &format!("{endpoint}/secret/rotate"), json!({})).await.ok(200);
    let resend = endpoint.replace("/endpoint/", "/msg/e1/endpoint/") + "/resend";
    call(post.clone(), &resend, json!({})).await.ok(202);
    let since = json!({ "since": Timestamp::now().to_string() });
    let task = call(post.clone(), &format!("{endpoint}/recover"), since).await.ok(202);
    let task = format!("/background-task/{}", task["id"].as_str().unwrap());
    call(get, &task, Value::Null).await.ok(200);
    call(Method::DELETE, &endpoint, Value::Null).await.empty(204);
    call(post, "/auth/logout", Value::Null).await.empty(204);
}

/// Each makes markup or code of a text.
const MARKUP: [&str; 12] = [
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "setHTML",
    "document.write",
    "DOMParser",
    "createContextualFragment",
    "srcdoc",
    "eval(",
    "Function(",
    "import(",
    "javascript:",
];

#[linchpin_testing::test]
async fn the_portal_escapes_what_receivers_say() {
    let api = Api::new();
    for (path, _) in FILES {
        let (reply, text) = file(&api, path).await;
        for word in MARKUP {
            assert!(!text.contains(word), "{path} says {word}");
        }
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        let rules: Vec<_> = policy.split("; ").collect();
        for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'"] {
            assert!(rules.contains(&rule), "{path}: {policy}");
        }
        for word in ["unsafe", "*", "http", "data:", "nonce", "sha256"] {
            assert!(!policy.contains(word), "{path}: {policy}");
        }
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        assert_eq!(reply.headers["referrer-policy"], "no-referrer");
    }
    // The policy would refuse them: nothing stands in the page itself.
    let (_, page) = file(&api, "/portal").await;
    assert_eq!(page.matches("<script").count(), page.matches("></script>").count());
    assert!(
        !page.contains("<style") && !page.contains(" style=") && !page.contains(" on"),
        "{page}"
    );
}
