//! Bodies and values that a schema allows.

use std::time::Duration;

use linchpin::time::Timestamp;
use serde_json::{Map, Value, json};

use super::document::Document;
use super::known::Known;

/// Makes values for one organisation.
pub(crate) struct Grammar<'a> {
    pub(crate) document: &'a Document,
    pub(crate) known: &'a Known,
    /// Stands in every text that is free, so that it is seen where it does not belong.
    pub(crate) mark: &'a str,
    /// A receiver that answers.
    pub(crate) receiver: &'a str,
}

/// Types of events, so few that they meet.
const EVENT_TYPES: [&str; 4] = ["fuzz.a", "fuzz.b", "fuzz.c", "fuzz.d"];
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const HOUR: Duration = Duration::from_hours(1);
/// Free objects and lists have so many members at most.
const FEW: usize = 3;

impl Grammar<'_> {
    /// A value that `schema` allows for a member of this name.
    pub(crate) fn value(&self, schema: &Value, name: &str, random: &mut fastrand::Rng) -> Value {
        let schema = self.document.resolved(schema);
        if let Some(known) = self.hinted(schema, name, random) {
            return known;
        }
        if let Some(ways) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
            let way = random.choice(ways).unwrap_or(&Value::Null);
            return self.value(way, name, random);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let parts = parts.iter().filter_map(|part| match self.value(part, name, random) {
                Value::Object(members) => Some(members),
                _ => None,
            });
            return Value::Object(parts.flatten().collect());
        }
        if let Some(values) = schema["enum"].as_array() {
            return random.choice(values).cloned().unwrap_or_default();
        }
        match kind(schema, random) {
            "object" => self.object(schema, random),
            "array" => {
                let least = schema["minItems"].as_u64().unwrap_or(1) as usize;
                let count = random.usize(least..=least.max(FEW));
                (0..count).map(|_| self.value(&schema["items"], name, random)).collect()
            }
            "integer" | "number" => {
                let least = schema["minimum"].as_i64().unwrap_or(0);
                let most = schema["maximum"].as_i64().unwrap_or(least + 100);
                json!(random.i64(least..=most.max(least)))
            }
            "boolean" => json!(random.bool()),
            "null" => Value::Null,
            _ => json!(self.text(schema, random)),
        }
    }

    fn object(&self, schema: &Value, random: &mut fastrand::Rng) -> Value {
        let mut made = Map::new();
        let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            if required.iter().any(|other| other == name) || random.u8(..3) == 0 {
                made.insert(name.clone(), self.value(member, name, random));
            }
        }
        match schema.get("additionalProperties") {
            Some(member @ Value::Object(_)) => made.extend(
                (0..random.usize(..FEW))
                    .map(|n| (format!("x-fuzz-{n}"), self.value(member, "", random))),
            ),
            None if made.is_empty() && schema.get("properties").is_none() => {
                made.insert("text".to_owned(), json!(self.mark));
                made.insert("n".to_owned(), json!(random.u32(..)));
            }
            _ => {}
        }
        Value::Object(made)
    }

    fn text(&self, schema: &Value, random: &mut fastrand::Rng) -> String {
        match schema["format"].as_str() {
            Some("date-time") => (Timestamp::now() - HOUR).to_string(),
            // A pattern is that of a name.
            _ if schema["pattern"].is_string() => format!("fuzz-{:08x}", random.u32(..)),
            _ => format!("{} {:08x}", self.mark, random.u32(..)),
        }
    }

    /// What the schema does not say, and most requests would be refused without.
    fn hinted(&self, schema: &Value, name: &str, random: &mut fastrand::Rng) -> Option<Value> {
        let is_text = schema["type"] == "string" || types(schema).any(|kind| kind == "string");
        Some(match name {
            "url" | "endpoint_url" if is_text => {
                json!(format!("{}{:04x}", self.receiver, random.u16(..)))
            }
            "eventType" | "eventTypes" | "event_types" | "filterTypes" if is_text => {
                json!(random.choice(EVENT_TYPES).unwrap_or_default())
            }
            "channels" | "channel" | "tags" | "tag" | "featureFlag" | "featureFlags" if is_text => {
                json!(format!("few-{}", random.u8(..3)))
            }
            "name" if schema["pattern"].is_string() => {
                json!(random.choice(EVENT_TYPES).unwrap_or_default())
            }
            "key" | "secret" if is_text => json!(SECRET),
            "deliverAt" => json!((Timestamp::now() + HOUR).to_string()),
            "until" | "before" => json!(Timestamp::now().to_string()),
            "schemas" => json!({ "1": { "type": "object", "examples": [{ "text": self.mark }] } }),
            "spec" => self.webhooks(random),
            "specRaw" => json!(self.webhooks(random).to_string()),
            "ids" if is_text => json!(self.known.any(random)?),
            "iterator" => {
                json!(format!("{}{}", random.choice(["", "-"])?, self.known.any(random)?))
            }
            _ => return None,
        })
    }

    /// A document that event types can be taken from.
    fn webhooks(&self, random: &mut fastrand::Rng) -> Value {
        let schema = json!({ "$ref": format!("#/components/schemas/{}", random.choice(["A", "B"]).unwrap_or_default()) });
        let body = json!({ "content": { "application/json": { "schema": schema } } });
        let item = json!({ "post": { "summary": self.mark, "requestBody": body } });
        let name = random.choice(EVENT_TYPES).unwrap_or_default();
        json!({
            "openapi": random.choice(["3.0.3", "3.1.0"]),
            "webhooks": { name: item },
            "components": { "schemas": {
                "A": { "type": "object", "properties": { "next": { "$ref": "#/components/schemas/B" } } },
                "B": { "type": "object", "properties": { "next": { "$ref": "#/components/schemas/A" } } },
            } },
        })
    }
}

fn types(schema: &Value) -> impl Iterator<Item = &str> {
    schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// One of the types of a schema, seldom null.
fn kind<'a>(schema: &'a Value, random: &mut fastrand::Rng) -> &'a str {
    if let Some(kind) = schema["type"].as_str() {
        return kind;
    }
    let is_null = random.u8(..4) == 0;
    let fits = types(schema).find(|kind| (*kind == "null") == is_null);
    let any = if schema.get("properties").is_some() { "object" } else { "string" };
    fits.or_else(|| types(schema).next()).unwrap_or(any)
}
