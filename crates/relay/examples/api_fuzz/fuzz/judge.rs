//! Whether an answer is one that may be.

use std::time::Duration;

use jsonschema::Validator;
use serde_json::Value;

use super::cases::{Case, Wants};
use super::document::{Document, Operation};
use super::wire::Answer;

/// What is wrong with an answer; `foreign` must not be in it.
pub(crate) fn fault(
    document: &Document,
    operation: &Operation,
    case: &Case,
    answer: &Answer,
    (within, foreign): (Duration, &[&str]),
) -> Option<String> {
    let status = answer.status;
    let text = String::from_utf8_lossy(&answer.body);
    let shown: String = text.chars().take(600).collect();
    if status >= 500 {
        return Some(format!("{status}: {shown}"));
    }
    if answer.took > within {
        return Some(format!("{status} after {:?}", answer.took));
    }
    if let Some(mark) = foreign.iter().find(|mark| text.contains(**mark)) {
        return Some(format!("{status} tells of another organisation (`{mark}`): {shown}"));
    }
    let listed = operation.answers.get(&status);
    let schema = match (case.wants, listed) {
        (Wants::Error(wanted), _) if status != wanted => {
            return Some(format!("{status} in the place of {wanted}: {shown}"));
        }
        (Wants::Refusal, _) if status < 400 => {
            return Some(format!("{status}, not a refusal: {shown}"));
        }
        (Wants::Error(405), _) if answer.header("allow").is_none() => {
            return Some("405 without `allow`".to_owned());
        }
        // Of a path no operation says that it has other methods.
        (Wants::Error(405), None) => Some(&document.error),
        (Wants::ListedOrNoRoute, None) if matches!(status, 404 | 405) => Some(&document.error),
        (_, None) => return Some(format!("{status} is not listed: {shown}")),
        (_, Some(schema)) => schema.as_ref(),
    };
    // The answer to a HEAD is that to a GET without its body.
    if operation.method == "HEAD" && case.request.method == "HEAD" {
        return None;
    }
    body_fault(schema, answer).map(|fault| format!("{status}: {fault}: {shown}"))
}

fn body_fault(schema: Option<&Validator>, answer: &Answer) -> Option<String> {
    let Some(schema) = schema else {
        return (!answer.body.is_empty()).then(|| "a body where none is listed".to_owned());
    };
    let kind = answer.header("content-type").unwrap_or_default();
    if kind != "application/json" {
        return Some(format!("a content-type of `{kind}`"));
    }
    let body: Value = match serde_json::from_slice(&answer.body) {
        Ok(body) => body,
        Err(fault) => return Some(format!("no JSON ({fault})")),
    };
    let faults: Vec<_> = schema
        .iter_errors(&body)
        .map(|fault| {
            format!("at `{}`: {fault}", fault.instance_path()).chars().take(300).collect::<String>()
        })
        .collect();
    if !faults.is_empty() {
        return Some(format!("not of its schema: {}", faults.join("; ")));
    }
    let told = body.get("status").and_then(Value::as_u64).filter(|_| answer.status >= 400);
    told.filter(|told| *told != u64::from(answer.status))
        .map(|told| format!("says that it is {told}"))
}
