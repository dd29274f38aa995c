//! The constraints that several bodies share.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Faults;

/// Free data of an application or endpoint.
pub type Metadata = BTreeMap<String, String>;

/// The most bytes of metadata, as JSON.
const METADATA_BYTES: usize = 4096;
/// The most bytes of an identifier, an event type or a channel.
const NAME_BYTES: usize = 256;
/// How deep a payload may be nested. Most parsers stop at 128, and a page of messages has it three deep.
const DEPTH: usize = 124;
/// Below so many digits a number without an exponent is one that a double can be.
const DIGITS: usize = 300;
/// How an error says that a whole string is meant.
const WHOLE: &str = "__all__";

/// A caller's own identifier: not to be mistaken for ours, which begin with `prefix`.
pub(super) fn identifier(
    faults: &mut Faults,
    field: &'static str,
    prefix: &str,
    value: Option<&str>,
) {
    let Some(value) = value else { return };
    if let Some(fault) = name_fault(value) {
        faults.add([field, WHOLE], fault);
    } else if value.starts_with(prefix) {
        faults.add([field, WHOLE], format!("must not begin with `{prefix}`"));
    }
}

/// The name of an event type or a feature flag. `-` in front would read as a backward iterator.
pub fn name(faults: &mut Faults, field: impl Into<Cow<'static, str>>, value: &str) {
    if let Some(fault) = name_fault(value) {
        faults.add([field.into(), WHOLE.into()], fault);
    } else if value.starts_with('-') {
        faults.add([field.into(), WHOLE.into()], "must not begin with `-`");
    }
}

/// A channel or a tag.
pub(super) fn label(faults: &mut Faults, field: &'static str, value: Option<&str>) {
    if let Some(fault) = value.and_then(name_fault) {
        faults.add([field, WHOLE], fault);
    }
}

/// A set of names with 1 to `most` members, or none at all.
pub(super) fn names(
    faults: &mut Faults,
    field: &'static str,
    most: usize,
    values: Option<&BTreeSet<String>>,
) {
    let Some(values) = values else { return };
    if values.is_empty() {
        faults.add([field], "must have at least one item, or be null");
    } else if values.len() > most {
        faults.add([field], format!("must have at most {most} items"));
    }
    for (index, value) in values.iter().enumerate() {
        if let Some(fault) = name_fault(value) {
            let item: Cow<'static, str> = format!("[{index}]").into();
            faults.add([field.into(), item, WHOLE.into()], fault);
        }
    }
}

/// A name for people.
pub(super) fn title(faults: &mut Faults, field: &'static str, value: &str) {
    if value.is_empty() {
        faults.add([field], "must not be empty");
    } else if value.chars().any(|c| c <= '\u{8}') {
        faults.add([field], "must have no control characters");
    }
}

/// A number that begins at one.
pub(super) fn positive(faults: &mut Faults, field: &'static str, value: Option<u16>) {
    if value == Some(0) {
        faults.add([field], "must be at least 1");
    }
}

/// Free data, measured as the JSON that is stored.
pub(super) fn metadata(faults: &mut Faults, value: Option<&Metadata>) {
    let bytes =
        value.map_or(0, |map| serde_json::to_string(map).expect("a map of strings is JSON").len());
    if bytes > METADATA_BYTES {
        faults.add(
            ["metadata"],
            format!("must be at most {METADATA_BYTES} bytes of JSON, is {bytes}"),
        );
    }
}

/// What is sent to receivers. `json` is JSON.
pub(super) fn payload(faults: &mut Faults, json: &str) {
    if !json.starts_with('{') {
        faults.add(["payload"], "must be a JSON object");
    }
    readable(faults, "payload", json);
}

/// JSON that everybody can read, where it is sent and in a page of a list. `json` is JSON.
pub(super) fn readable(faults: &mut Faults, field: &'static str, json: &str) {
    if let Some(fault) = unreadable(json) {
        faults.add([field], fault);
    }
}

/// Why common parsers do not read this JSON: nested too deep, half a pair of surrogates, a number beyond a double.
///
/// What looks as if it might have one of the latter two is seldom, and parsed to know.
pub(super) fn unreadable(json: &str) -> Option<String> {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    let (mut digits, mut looks_odd, mut bytes) = (0, false, json.as_bytes());
    while let [byte, rest @ ..] = bytes {
        bytes = rest;
        match byte {
            b'u' if escaped => (escaped, looks_odd) = (false, looks_odd || is_surrogate(rest)),
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth -= 1,
            b'0'..=b'9' => (digits, looks_odd) = (digits + 1, looks_odd || digits > DIGITS),
            b'e' | b'E' if digits > 0 => looks_odd = true,
            _ => digits = 0,
        }
    }
    if deepest > DEPTH {
        return Some(format!("must be nested at most {DEPTH} deep, is {deepest}"));
    }
    let parsed = if looks_odd { serde_json::from_str::<Value>(json).err() } else { None };
    parsed.map(|fault| format!("must be readable to common parsers: {fault}"))
}

/// Whether four hexadecimal digits are one half of a character.
fn is_surrogate(digits: &[u8]) -> bool {
    matches!(digits, [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..])
}

fn name_fault(value: &str) -> Option<&'static str> {
    if value.is_empty() {
        return Some("must not be empty");
    }
    if value.len() > NAME_BYTES {
        return Some("must be at most 256 bytes");
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (!value.bytes().all(allowed)).then_some("must match the pattern ^[a-zA-Z0-9\\-_.]+$")
}
