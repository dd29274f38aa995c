//! The suite that the official libraries of other languages play (`scripts/sdk`) calls every route there is.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api_docs::ROUTES;

const SUITE: &str = include_str!("../sdk/suite.json");

/// What no library has a call for: old names of lists, health for those who only want a status, and what only operators of a
/// queue of dead letters would want.
const NO_CALL: &[&str] = &[
    "GET /app/{app_id}/msg/{msg_id}/attempt",
    "GET /app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/attempt",
    "GET /health/ping",
    "HEAD /health",
    "HEAD /health/ping",
    "POST /admin/redrive-dlq",
];

fn suite() -> Value {
    serde_json::from_str(SUITE).expect("JSON")
}

/// The routes of the calls that are marked as missing, or of all others.
fn routes(suite: &Value, missing: bool) -> BTreeSet<String> {
    let calls = suite["calls"].as_object().expect("calls").values();
    let chosen = calls.filter(|call| call.get("missing").is_some() == missing);
    chosen.map(|call| call["route"].as_str().expect("a route").to_owned()).collect()
}

/// Every route that the libraries have a call for in this major version, and Relay has.
pub(crate) fn called(major: u64) -> BTreeSet<String> {
    let mut suite = suite();
    let calls = suite["calls"].as_object_mut().expect("calls");
    calls.retain(|_, call| {
        let majors = call.get("majors").and_then(Value::as_array);
        majors.is_none_or(|majors| majors.contains(&major.into()))
    });
    routes(&suite, false)
}

fn there() -> BTreeSet<String> {
    let pairs = ROUTES.iter().flat_map(|(path, methods)| {
        methods.iter().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    pairs.collect()
}

#[linchpin_testing::test]
fn the_libraries_call_every_route() {
    let (suite, there) = (suite(), there());
    let known: BTreeSet<_> = NO_CALL.iter().map(|route| (*route).to_owned()).collect();
    assert!(known.is_subset(&there), "NO_CALL names what is not there");
    let called = routes(&suite, false);
    assert_eq!(called, &there - &known, "suite.json against ROUTES of api_docs.rs");
}

#[linchpin_testing::test]
fn what_the_suite_calls_missing_is_not_there() {
    let come: Vec<_> = routes(&suite(), true).intersection(&there()).cloned().collect();
    assert!(come.is_empty(), "take `missing` off these in suite.json: {come:?}");
}

#[linchpin_testing::test]
fn every_call_of_the_suite_succeeds_somewhere() {
    let suite = suite();
    let steps = suite["steps"].as_array().expect("steps").iter();
    let succeed: BTreeSet<_> = steps
        .filter(|step| step.get("error").is_none())
        .filter_map(|step| step["call"].as_str())
        .collect();
    let calls = suite["calls"].as_object().expect("calls").keys();
    assert_eq!(succeed, calls.map(String::as_str).collect());
}
