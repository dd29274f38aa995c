//! Tokens: who is let in, and what a token of one application may do.

use http::Method;
use linchpin::time::Timestamp;
use linchpin_security::jwt::{Issuer, Keys};
use relay::ids::{AppId, OrgId};
use serde_json::{Value, json};

use crate::api::{Api, app_token, org_token, sign};

fn claims(sub: &str, exp: i64) -> Value {
    json!({ "sub": sub, "exp": exp })
}

#[linchpin_testing::test]
async fn a_token_that_cannot_be_trusted_is_a_401() {
    let api = Api::new();
    let now = Timestamp::now().as_seconds();
    let org = api.org.to_string();
    let good = claims(&org, now + 60);
    let other_key = Issuer::new(&Keys::hs256(b"another secret of thirty-two byte")).issue(&good);
    let unsigned = {
        let signed = sign(&good);
        let payload = signed.split('.').nth(1).unwrap();
        // {"alg":"none","typ":"JWT"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.")
    };
    for (what, token) in [
        ("none", String::new()),
        ("expired", sign(&claims(&org, now - 901))),
        ("unsigned", unsigned),
        ("wrongly signed", other_key.unwrap()),
        ("not yet valid", sign(&json!({ "sub": org, "nbf": now + 1_000 }))),
        ("no token", "nonsense".to_owned()),
    ] {
        let reply = api.call_as(&token, Method::GET, "/app", Value::Null).await;
        assert_eq!(
            reply.ok(401),
            json!({
                "code": "authentication_failed", "detail": "Invalid token",
                "type": "about:blank", "title": "Unauthorized", "status": 401,
            }),
            "{what}"
        );
    }
    api.call_as(&sign(&good), Method::GET, "/app", Value::Null).await.ok(200);
}

#[linchpin_testing::test]
async fn a_scheme_other_than_bearer_is_a_401() {
    let api = Api::new();
    let headers = [("authorization", "Basic dTpw")];
    let reply = api.raw(Method::GET, "/app", "", &headers, "").await;
    reply.error(401, "authentication_failed");
}

#[linchpin_testing::test]
async fn a_subject_of_the_wrong_shape_is_a_400() {
    let api = Api::new();
    let app = AppId::at(Timestamp::now()).to_string();
    for (claims, code) in [
        (json!({ "sub": "user_1" }), "bad_token"),
        (json!({}), "bad_token"),
        (json!({ "sub": "org_short" }), "bad_token"),
        (json!({ "sub": app }), "bad token"),
        (json!({ "sub": app, "org": app }), "bad token"),
    ] {
        let reply = api.call_as(&sign(&claims), Method::GET, "/app", Value::Null).await;
        reply.error(400, code);
    }
}

#[linchpin_testing::test]
async fn an_application_token_reaches_its_own_application_only() {
    let api = Api::new();
    let (own, other) = (api.app("own").await, api.app("other").await);
    let token = app_token(api.org, own);
    let get = |path: String| {
        let (api, token) = (&api, &token);
        async move { api.call_as(token, Method::GET, &path, Value::Null).await }
    };

    get("/app/own".to_owned()).await.ok(200);
    get(format!("/app/{own}/endpoint")).await.ok(200);
    get(format!("/app/{own}/msg")).await.ok(200);
    get("/event-type".to_owned()).await.ok(200);
    get("/app/other".to_owned()).await.not_found();
    get(format!("/app/{other}/endpoint")).await.not_found();
    get(format!("/app/{other}/msg")).await.not_found();

    let endpoint = json!({ "url": "https://example.com/" });
    let create = |path| api.call_as(&token, Method::POST, path, endpoint.clone());
    create("/app/own/endpoint").await.ok(201);
    create("/app/other/endpoint").await.not_found();

    // The same application under another tenant's name is not there.
    let stranger = app_token(OrgId::at(Timestamp::now()), own);
    api.call_as(&stranger, Method::GET, "/app/own", Value::Null).await.not_found();
}

#[linchpin_testing::test]
async fn an_application_token_on_a_route_of_the_organisation_is_a_403() {
    let api = Api::new();
    let own = api.app("own").await;
    let token = app_token(api.org, own);
    let message = json!({ "eventType": "a", "payload": {} });
    for (method, path, body) in [
        (Method::GET, "/app", Value::Null),
        (Method::POST, "/app", json!({ "name": "n" })),
        (Method::PUT, "/app/own", json!({ "name": "n" })),
        (Method::PATCH, "/app/own", json!({})),
        (Method::DELETE, "/app/own", Value::Null),
        (Method::POST, "/app/own/msg", message),
        (Method::POST, "/event-type", json!({ "name": "a", "description": "" })),
        (Method::DELETE, "/event-type/a", Value::Null),
    ] {
        api.call_as(&token, method, path, body).await.error(403, "insufficient access");
    }
}

#[linchpin_testing::test]
async fn feature_flags_hide_event_types_from_application_tokens() {
    let api = Api::new();
    let own = api.app("own").await;
    for (name, flag) in [("open", Value::Null), ("beta", json!("beta")), ("alpha", json!("alpha"))]
    {
        let body = json!({ "name": name, "description": "", "featureFlag": flag });
        api.post("/event-type", body).await.ok(201);
    }
    let claims = |flags: Value| {
        let exp = Timestamp::now().as_seconds() + 60;
        let (sub, org) = (own.to_string(), api.org.to_string());
        sign(&json!({ "sub": sub, "org": org, "exp": exp, "feature_flags": flags }))
    };
    for (token, seen) in [
        (org_token(api.org), &["alpha", "beta", "open"][..]),
        (claims(json!(["beta"])), &["beta", "open"]),
        (claims(json!([])), &["open"]),
    ] {
        let page = api.call_as(&token, Method::GET, "/event-type", Value::Null).await.ok(200);
        assert_eq!(crate::api::ids(&page, "name"), seen);
        let one = api.call_as(&token, Method::GET, "/event-type/alpha", Value::Null).await;
        assert_eq!(one.status, if seen.contains(&"alpha") { 200 } else { 404 });
    }
}

#[linchpin_testing::test]
async fn another_tenants_things_are_not_there() {
    let api = Api::new();
    let app = api.app("shop").await;
    api.post("/event-type", json!({ "name": "paid", "description": "" })).await.ok(201);
    let endpoint = json!({ "url": "https://example.com/", "uid": "hook" });
    let endpoint = api.post("/app/shop/endpoint", endpoint).await.ok(201);
    let message = json!({ "eventType": "paid", "payload": {}, "eventId": "e1" });
    let message = api.post("/app/shop/msg", message).await.ok(202);
    let (endpoint, message) = (endpoint["id"].as_str().unwrap(), message["id"].as_str().unwrap());
    let attempt = crate::api_attempt::insert(&api, app, message, endpoint, 1).await.remove(0);

    let stranger = org_token(OrgId::at(Timestamp::now()));
    let patch = (Method::PATCH, json!({}));
    let put = (Method::PUT, json!({ "name": "n", "url": "https://example.com/" }));
    let (get, delete) = ((Method::GET, Value::Null), (Method::DELETE, Value::Null));
    let post = |body| (Method::POST, body);
    for app in ["shop", &app.to_string()] {
        for (path, calls) in [
            (format!("/app/{app}"), vec![get.clone(), patch.clone(), delete.clone()]),
            (
                format!("/app/{app}/endpoint"),
                vec![get.clone(), post(json!({ "url": "https://example.com/" }))],
            ),
            (
                format!("/app/{app}/endpoint/{endpoint}"),
                vec![get.clone(), put.clone(), patch.clone(), delete.clone()],
            ),
            (format!("/app/{app}/endpoint/hook/secret"), vec![get.clone()]),
            (
                format!("/app/{app}/msg"),
                vec![get.clone(), post(json!({ "eventType": "a", "payload": {} }))],
            ),
            (format!("/app/{app}/msg/{message}"), vec![get.clone()]),
            (format!("/app/{app}/msg/e1"), vec![get.clone()]),
            (format!("/app/{app}/attempt/endpoint/{endpoint}"), vec![get.clone()]),
            (format!("/app/{app}/attempt/msg/{message}"), vec![get.clone()]),
            (format!("/app/{app}/msg/{message}/attempt/{attempt}"), vec![get.clone()]),
        ] {
            for (method, body) in calls {
                let theirs = api.call_as(&stranger, method.clone(), &path, body).await;
                assert_eq!(theirs.status, 404, "{method} {path}");
                theirs.not_found();
            }
        }
    }
    for (method, body) in [get.clone(), patch.clone(), delete.clone()] {
        api.call_as(&stranger, method, "/event-type/paid", body).await.not_found();
    }
    for list in ["/app", "/event-type"] {
        let page = api.call_as(&stranger, Method::GET, list, Value::Null).await.ok(200);
        assert_eq!(page, json!({ "data": [], "iterator": null, "done": true }));
    }
    // And all of it is still there for its owner.
    api.get(&format!("/app/shop/msg/{message}/attempt/{attempt}")).await.ok(200);
    api.get("/app/shop/endpoint/hook/secret").await.ok(200);

    // A second application of the same tenant does not see them either.
    api.app("stall").await;
    for path in
        [format!("endpoint/{endpoint}"), format!("msg/{message}"), format!("attempt/msg/{message}")]
    {
        api.get(&format!("/app/stall/{path}")).await.not_found();
    }
}
