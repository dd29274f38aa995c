//! What a parser says, in the words of who wrote the request: without Rust's types, and without places that `loc` names.

/// What is wrong with the value of a query parameter, behind its name.
pub(super) fn of_query(said: &str) -> String {
    match said.split_once(": ") {
        Some((name, why)) => format!("The query parameter `{name}` is wrong: {}", of_text(why)),
        None => format!("The query string is wrong: {said}"),
    }
}

/// What JSON of another shape should have been. The line and column go: the place is told as a way of names.
pub(super) fn of_json(fault: &serde_json::Error) -> String {
    let said = fault.to_string();
    let place = format!(" at line {} column {}", fault.line(), fault.column());
    of_data(said.strip_suffix(&place).unwrap_or(&said))
}

/// A text that was to be a number, or one of two words.
fn of_text(said: &str) -> String {
    match said {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "it must be a whole number".to_owned()
        }
        "number too large to fit in target type" => "the number is too large".to_owned(),
        "number too small to fit in target type" => "the number is too small".to_owned(),
        "provided string was not `true` or `false`" => "it must be `true` or `false`".to_owned(),
        other => of_data(other),
    }
}

/// `invalid type: string "x", expected u16`, and the like.
fn of_data(said: &str) -> String {
    const EXPECTED: &str = "expected ";
    let Some(at) = said.rfind(EXPECTED) else { return said.to_owned() };
    let (found, kind) = said.split_at(at + EXPECTED.len());
    let found = match found.split_once(": ") {
        Some(("invalid type", rest)) if rest.starts_with("map, ") => {
            "invalid type: object, expected "
        }
        Some(("invalid type", rest)) if rest.starts_with("sequence, ") => {
            "invalid type: list, expected "
        }
        _ => found,
    };
    format!("{found}{}", wanted(kind))
}

/// A type of Rust's as what JSON has.
fn wanted(kind: &str) -> String {
    let whole = |least: i128, most: i128| format!("a whole number from {least} to {most}");
    match kind {
        "u8" => whole(0, u8::MAX.into()),
        "u16" => whole(0, u16::MAX.into()),
        "u32" => whole(0, u32::MAX.into()),
        "u64" | "usize" => whole(0, u64::MAX.into()),
        "i32" => whole(i32::MIN.into(), i32::MAX.into()),
        "i64" => whole(i64::MIN.into(), i64::MAX.into()),
        "a map" => "an object".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        _ if kind.starts_with("struct ") => "an object".to_owned(),
        _ => kind.to_owned(),
    }
}
