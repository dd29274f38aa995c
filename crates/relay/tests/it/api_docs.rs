//! The OpenAPI document: it lists every route, and every route that it lists is there.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, Request};
use serde_json::Value;

use crate::api::Api;

/// Every route owed below `/api/v1`, with its methods.
const ROUTES: &[(&str, &[&str])] = &[
    ("/app", &["get", "post"]),
    ("/app/{app_id}", &["delete", "get", "patch", "put"]),
    ("/app/{app_id}/attempt/endpoint/{endpoint_id}", &["get"]),
    ("/app/{app_id}/attempt/msg/{msg_id}", &["get"]),
    ("/app/{app_id}/endpoint", &["get", "post"]),
    ("/app/{app_id}/endpoint/{endpoint_id}", &["delete", "get", "patch", "put"]),
    ("/app/{app_id}/endpoint/{endpoint_id}/recover", &["post"]),
    ("/app/{app_id}/endpoint/{endpoint_id}/replay-missing", &["post"]),
    ("/app/{app_id}/endpoint/{endpoint_id}/secret", &["get"]),
    ("/app/{app_id}/msg", &["get", "post"]),
    ("/app/{app_id}/msg/{msg_id}", &["get"]),
    ("/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}", &["get"]),
    ("/background-task", &["get"]),
    ("/background-task/{task_id}", &["get"]),
    ("/event-type", &["get", "post"]),
    ("/event-type/{event_type_name}", &["delete", "get", "patch", "put"]),
    ("/health", &["get", "head"]),
    ("/health/ping", &["get", "head"]),
];

async fn document(api: &Api) -> Value {
    api.raw(Method::GET, "/openapi.json", "", &[], "").await.ok(200)
}

#[tokio::test]
async fn the_document_lists_every_route() {
    let api = Api::new();
    let document = document(&api).await;
    let paths = document["paths"].as_object().unwrap();
    let listed: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone()))
        })
        .collect();
    let owed = ROUTES.iter().flat_map(|(path, methods)| {
        methods.iter().map(move |method| (format!("/api/v1{path}"), (*method).to_owned()))
    });
    assert_eq!(listed, owed.collect());
}

#[tokio::test]
async fn every_listed_route_is_there_and_wants_a_token() {
    let api = Api::new();
    for (path, methods) in ROUTES {
        for method in *methods {
            let path = path.replace(['{', '}'], "");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let reply = api.raw(method.clone(), &path, "", &[], "").await;
            let wanted: &[u16] = if path.starts_with("/health") { &[200, 204] } else { &[401] };
            assert!(wanted.contains(&reply.status), "{method} {path}: {}", reply.status);
        }
        let reply = api.raw(Method::TRACE, &path.replace(['{', '}'], ""), "", &[], "").await;
        assert_eq!(reply.status, 405, "{path}");
    }
}

#[tokio::test]
async fn every_reference_of_the_document_resolves() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    let api = Api::new();
    let document = document(&api).await;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let message = &document["components"]["schemas"]["MessageIn"];
    assert_eq!(message["properties"]["payload"]["type"], "object");
    assert!(message["required"].as_array().unwrap().contains(&"eventType".into()));
}

#[tokio::test]
async fn the_front_door_leads_to_the_docs() {
    let api = Api::new();
    let reply = api.send(Request::get("/").body(Body::empty()).unwrap()).await;
    assert_eq!((reply.status, &reply.headers["location"]), (307, &"/docs".parse().unwrap()));
    let reply = api.send(Request::get("/docs").body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status, 200);
    assert!(reply.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(String::from_utf8_lossy(&reply.body).contains("/api/v1/openapi.json"));
}
