//! What the token of an application may do.

use std::time::Duration;

use http::Method;
use linchpin::time::Timestamp;
use relay::api::auth::{Claims, Grant};
use relay::ids::AppId;
use relay::model::access::Capability;
use serde_json::{Value, json};

use crate::api::{Api, app_token, sign};
use crate::api_docs::ROUTES;
use crate::api_tokens::shop;

fn limited(api: &Api, app: AppId, capabilities: &[Capability]) -> String {
    let now = Timestamp::now();
    let capabilities = Some(capabilities.iter().copied().collect());
    let grant = Grant { capabilities, ..Grant::default() };
    sign(&Claims::new(api.org, Some(app), now, now + Duration::from_hours(1)).with(grant))
}

fn filled(path: &str) -> String {
    path.replace("{app_id}", "shop").replace("{endpoint_id}", "hook").replace("{msg_id}", "e1")
}

#[linchpin_testing::test]
async fn s11_a_read_only_token_changes_nothing() {
    let (api, _) = shop().await;
    let access = json!({ "readOnly": true });
    let access = api.post("/auth/app-portal-access/shop", access).await.ok(200);
    let token = access["token"].as_str().unwrap();
    let before = api.get("/app/shop/endpoint").await.ok(200);
    let mut refused = 0;
    for (path, methods) in ROUTES {
        for method in methods.iter().filter(|method| !["get", "head"].contains(method)) {
            if *path == "/auth/logout" {
                continue; // It may end itself.
            }
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let reply = api.call_as(token, method.clone(), &filled(path), json!({})).await;
            assert_eq!(reply.status, 403, "{method} {path}");
            reply.error(403, "insufficient access");
            // That of an organisation is asked for later: so this holds for routes that do not ask for it, too.
            let detail = reply.json()["detail"].to_string();
            assert!(!detail.contains("organisation"), "{method} {path}: {detail}");
            refused += 1;
        }
    }
    assert!(refused >= 25, "{refused}");
    assert_eq!(api.get("/app/shop/endpoint").await.ok(200), before);
    for path in ["", "/endpoint", "/endpoint/hook", "/endpoint/hook/headers", "/msg", "/msg/e1"] {
        api.call_as(token, Method::GET, &format!("/app/shop{path}"), Value::Null).await.ok(200);
    }
    let secret = "/app/shop/endpoint/hook/secret";
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(api.call_as(token, method, secret, Value::Null).await.status, 403);
    }
    api.call_as(token, Method::POST, "/auth/logout", Value::Null).await.empty(204);
    api.call_as(token, Method::GET, "/app/shop", Value::Null)
        .await
        .error(401, "authentication_failed");
}

#[linchpin_testing::test]
async fn s11_capabilities_are_needed_and_enough() {
    use Capability::{
        CreateAttempts, ManageEndpoint, ManageEndpointSecret, ViewBase, ViewEndpointSecret,
    };
    let (api, app) = shop().await;
    let url = json!({ "url": "https://example.com/" });
    let spare = json!({ "url": "https://example.com/", "uid": "spare" });
    let headers = json!({ "headers": { "x-one": "1" } });
    let since = json!({ "since": Timestamp::now().to_string() });
    let hook = "/app/shop/endpoint/hook";
    let manage = &[ManageEndpoint][..];
    let cases: &[(Method, String, Value, &[Capability])] = &[
        (
            Method::GET,
            format!("{hook}/secret"),
            Value::Null,
            &[ViewEndpointSecret, ManageEndpointSecret, ManageEndpoint],
        ),
        (
            Method::POST,
            format!("{hook}/secret/rotate"),
            json!({ "gracePeriodSeconds": 0 }),
            &[ManageEndpointSecret, ManageEndpoint],
        ),
        (Method::POST, "/app/shop/endpoint".to_owned(), url.clone(), manage),
        (Method::PUT, "/app/shop/endpoint/spare".to_owned(), spare.clone(), manage),
        (Method::PATCH, hook.to_owned(), json!({ "description": "d" }), manage),
        (Method::DELETE, "/app/shop/endpoint/spare".to_owned(), Value::Null, manage),
        (Method::PUT, format!("{hook}/headers"), headers.clone(), manage),
        (Method::PATCH, format!("{hook}/headers"), headers, manage),
        (Method::POST, format!("{hook}/recover"), since.clone(), &[CreateAttempts]),
        (Method::POST, format!("{hook}/replay-missing"), since, &[CreateAttempts]),
        (
            Method::POST,
            "/app/shop/msg/e1/endpoint/hook/resend".to_owned(),
            Value::Null,
            &[CreateAttempts],
        ),
        (Method::GET, hook.to_owned(), Value::Null, &Capability::ALL),
        (Method::GET, format!("{hook}/headers"), Value::Null, &Capability::ALL),
        (Method::GET, "/app/shop/attempt/msg/e1".to_owned(), Value::Null, &Capability::ALL),
    ];
    for (method, path, body, enough) in cases {
        let mut tokens: Vec<_> = Capability::ALL
            .iter()
            .map(|one| {
                (format!("{one}"), limited(&api, app, &[ViewBase, *one]), enough.contains(one))
            })
            .collect();
        tokens.push(("all of them".to_owned(), limited(&api, app, &Capability::ALL), true));
        tokens.push(("no limits".to_owned(), app_token(api.org, app), true));
        tokens.push(("nothing".to_owned(), limited(&api, app, &[]), false));
        for (held, token, is_enough) in tokens {
            api.put("/app/shop/endpoint/spare", spare.clone()).await;
            let reply = api.call_as(&token, method.clone(), path, body.clone()).await;
            let what = format!("{method} {path} with {held}: {}", reply.status);
            if is_enough {
                assert!((200..300).contains(&reply.status), "{what}");
            } else {
                assert_eq!(reply.status, 403, "{what}");
                reply.error(403, "insufficient access");
            }
        }
    }
}
