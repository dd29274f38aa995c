//! The OpenAPI document: it lists every route, and every route that it lists is there.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, Request};
use serde_json::Value;

use crate::api::Api;

/// Every route owed below `/api/v1`, with its methods.
pub(crate) const ROUTES: &[(&str, &[&str])] = &[
    ("/app", &["get", "post"]),
    ("/app/{app_id}", &["delete", "get", "patch", "put"]),
    ("/app/{app_id}/attempt/endpoint/{endpoint_id}", &["get"]),
    ("/app/{app_id}/attempt/msg/{msg_id}", &["get"]),
    ("/app/{app_id}/endpoint", &["get", "post"]),
    ("/app/{app_id}/endpoint/{endpoint_id}", &["delete", "get", "patch", "put"]),
    ("/app/{app_id}/endpoint/{endpoint_id}/attempt-stats", &["get"]),
    ("/app/{app_id}/endpoint/{endpoint_id}/bulk-replay", &["post"]),
    ("/app/{app_id}/endpoint/{endpoint_id}/headers", &["get", "patch", "put"]),
    ("/app/{app_id}/endpoint/{endpoint_id}/msg", &["get"]),
    ("/app/{app_id}/endpoint/{endpoint_id}/recover", &["post"]),
    ("/app/{app_id}/endpoint/{endpoint_id}/replay-missing", &["post"]),
    ("/app/{app_id}/endpoint/{endpoint_id}/secret", &["get"]),
    ("/app/{app_id}/endpoint/{endpoint_id}/secret/rotate", &["post"]),
    ("/app/{app_id}/endpoint/{endpoint_id}/send-example", &["post"]),
    ("/app/{app_id}/endpoint/{endpoint_id}/stats", &["get"]),
    ("/app/{app_id}/msg", &["get", "post"]),
    ("/app/{app_id}/msg/bulk-expunge", &["post"]),
    ("/app/{app_id}/msg/expunge-all-contents", &["post"]),
    ("/app/{app_id}/msg/precheck/active", &["post"]),
    ("/app/{app_id}/msg/{msg_id}", &["get"]),
    ("/app/{app_id}/msg/{msg_id}/attempt", &["get"]),
    ("/app/{app_id}/msg/{msg_id}/content", &["delete"]),
    ("/app/{app_id}/msg/{msg_id}/endpoint", &["get"]),
    ("/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/attempt", &["get"]),
    ("/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend", &["post"]),
    ("/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}", &["get"]),
    ("/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/content", &["delete"]),
    ("/admin/redrive-dlq", &["post"]),
    ("/auth/app-portal-access/{app_id}", &["post"]),
    ("/auth/app/{app_id}/expire-all", &["post"]),
    ("/auth/dashboard-access/{app_id}", &["post"]),
    ("/auth/logout", &["post"]),
    ("/background-task", &["get"]),
    ("/background-task/{task_id}", &["get"]),
    ("/event-type", &["get", "post"]),
    ("/event-type/import/openapi", &["post"]),
    ("/event-type/{event_type_name}", &["delete", "get", "patch", "put"]),
    ("/health", &["get", "head"]),
    ("/health/ping", &["get", "head"]),
    ("/operational-webhook/endpoint", &["get", "post"]),
    ("/operational-webhook/endpoint/{endpoint_id}", &["delete", "get", "put"]),
    ("/operational-webhook/endpoint/{endpoint_id}/headers", &["get", "put"]),
    ("/operational-webhook/endpoint/{endpoint_id}/secret", &["get"]),
    ("/operational-webhook/endpoint/{endpoint_id}/secret/rotate", &["post"]),
    ("/stats/usage/app", &["post"]),
    ("/stats/usage/event-types", &["put"]),
];

async fn document(api: &Api) -> Value {
    api.raw(Method::GET, "/openapi.json", "", &[], "").await.ok(200)
}

#[linchpin_testing::test]
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

#[linchpin_testing::test]
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

#[linchpin_testing::test]
async fn every_operation_says_what_a_client_that_is_too_many_reads() {
    let api = Api::new();
    let document = document(&api).await;
    let paths = document["paths"].as_object().unwrap().values();
    let mut operations = 0;
    for operation in paths.flat_map(|item| item.as_object().unwrap()) {
        let (method, operation) = operation;
        if method == "head" {
            continue;
        }
        operations += 1;
        for (status, headers) in
            [("429", &["RateLimit", "Retry-After"][..]), ("503", &["Retry-After"])]
        {
            let response = &operation["responses"][status];
            let listed: Vec<_> = response["headers"].as_object().unwrap().keys().collect();
            assert_eq!(listed, headers, "{status} of {}", operation["operationId"]);
            let schema = &response["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/ErrorBody");
        }
    }
    assert!(operations > 30, "{operations}");
}

#[linchpin_testing::test]
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

#[linchpin_testing::test]
async fn the_front_door_leads_to_the_docs() {
    let api = Api::new();
    let reply = api.send(Request::get("/").body(Body::empty()).unwrap()).await;
    assert_eq!((reply.status, &reply.headers["location"]), (307, &"/docs".parse().unwrap()));
    let reply = api.send(Request::get("/docs").body(Body::empty()).unwrap()).await;
    assert_eq!(reply.status, 200);
    assert!(reply.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(String::from_utf8_lossy(&reply.body).contains("/api/v1/openapi.json"));
}
