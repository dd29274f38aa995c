//! Schemas of the document, made strict: what a schema does not name must not be there.

use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// References are followed so deep.
const DEEPEST: usize = 16;

/// Judges bodies by `schema`, strictly.
pub(super) fn validator(schema: &Value, whole: &Value) -> Result<Validator, String> {
    let strict = strict(schema, whole, false, 0)?;
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    options.build(&strict).map_err(|fault| fault.to_string())
}

/// What a reference stands for; anything else stands for itself.
pub(super) fn resolved<'a>(schema: &'a Value, whole: &'a Value) -> &'a Value {
    let pointer = schema["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
    pointer.and_then(|pointer| whole.pointer(pointer)).unwrap_or(schema)
}

/// The same without references, each object closed. A `part` of several that make one object is left open: the whole of
/// them is closed.
fn strict(schema: &Value, whole: &Value, part: bool, depth: usize) -> Result<Value, String> {
    if depth > DEEPEST {
        return Err(format!("a schema deeper than {DEEPEST}: {schema}"));
    }
    let resolved = resolved(schema, whole);
    let Some(given) = resolved.as_object() else { return Ok(resolved.clone()) };
    let mut made = Map::new();
    for (name, value) in given {
        let of = |value: &Value, part| strict(value, whole, part, depth + 1);
        let value = match (name.as_str(), value) {
            ("properties", Value::Object(members)) => {
                let members =
                    members.iter().map(|(name, value)| Ok((name.clone(), of(value, false)?)));
                Value::Object(members.collect::<Result<_, String>>()?)
            }
            ("items" | "additionalProperties", value) => of(value, false)?,
            ("allOf", Value::Array(parts)) => {
                parts.iter().map(|value| of(value, true)).collect::<Result<_, _>>()?
            }
            ("oneOf" | "anyOf", Value::Array(ways)) => {
                ways.iter().map(|value| of(value, part)).collect::<Result<_, _>>()?
            }
            (_, value) => value.clone(),
        };
        made.insert(name.clone(), value);
    }
    let names_all = made.contains_key("properties") || made.contains_key("allOf");
    if names_all && !part && !made.contains_key("additionalProperties") {
        made.insert("unevaluatedProperties".to_owned(), json!(false));
    }
    Ok(Value::Object(made))
}
