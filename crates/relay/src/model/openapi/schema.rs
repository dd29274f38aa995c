//! Schemas that stand alone.
//!
//! What a schema refers to goes into its `definitions`, once, and not into its place: a component that has itself in it is as good
//! as any other, and one that is used everywhere makes nothing large.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::document::Document;

/// Makes schemas of a document stand alone.
#[derive(Debug)]
pub(super) struct Bundler<'a> {
    document: &'a Document,
    /// What was referred to, by its place.
    parts: BTreeMap<String, Part>,
    /// What they are called, by their place.
    names: BTreeMap<String, String>,
    /// The names that are taken, and by how many places each was wished for.
    taken: BTreeMap<String, usize>,
    /// The bytes of all that is kept, and of all that was read for it.
    bytes: usize,
}

/// A schema that others refer to.
#[derive(Debug)]
struct Part {
    schema: Value,
    bytes: usize,
    /// The places of what it refers to itself.
    needs: BTreeSet<String>,
}

/// The most that the event types of a document are together, in bytes: those that share much have it each.
const BYTES: usize = 8 << 20;
/// Where definitions are: draft 7 of JSON Schema, to which event types are held, has no other place.
const DEFINITIONS: &str = "definitions";

/// What is left out: names that only references need which are refused, and definitions, which are found at their places.
const DROPPED: [&str; 6] = ["$anchor", "$defs", "$dynamicAnchor", "$id", "$schema", "definitions"];
/// Members that are schemas by name, lists of them, and one or a list. All others are data.
const NAMED: [&str; 4] = ["dependencies", "dependentSchemas", "patternProperties", "properties"];
const NESTED: [&str; 16] = [
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

impl<'a> Bundler<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        Self {
            document,
            parts: BTreeMap::new(),
            names: BTreeMap::new(),
            taken: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Whether nothing more may be made.
    pub(super) fn is_spent(&self) -> bool {
        self.bytes > BYTES
    }

    /// The schema, with all that it refers to.
    ///
    /// # Errors
    ///
    /// A reference that leads nowhere, what is no JSON Schema, and too much of all.
    pub(super) fn bundle(&mut self, schema: &'a Value) -> Result<Value, String> {
        let document = self.document;
        // Not a reference at the top, where examples are looked for.
        let root = match document.alias(schema) {
            Some(reference) => document.schema(reference)?.1,
            None => schema,
        };
        let Part { schema: mut whole, bytes, needs } = self.made(root)?;
        self.spend(bytes)?;
        let mut definitions = Map::new();
        let mut open: Vec<String> = needs.into_iter().collect();
        while let Some(place) = open.pop() {
            let name = self.names[&place].clone();
            if definitions.contains_key(&name) {
                continue;
            }
            if !self.parts.contains_key(&place) {
                let schema = document.root().pointer(&place).expect("it was resolved");
                let part = self.made(schema).map_err(|why| format!("`#{place}` {why}"))?;
                self.parts.insert(place.clone(), part);
            }
            let part = &self.parts[&place];
            let bytes = name.len() + part.bytes;
            definitions.insert(name, part.schema.clone());
            open.extend(part.needs.iter().cloned());
            self.spend(bytes)?;
        }
        if let Value::Object(members) = &mut whole
            && !definitions.is_empty()
        {
            members.insert(DEFINITIONS.to_owned(), definitions.into());
        }
        Ok(whole)
    }

    /// Counts what is kept, once for each event type that has it.
    ///
    /// # Errors
    ///
    /// If that is too much.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes += bytes;
        if self.is_spent() {
            return Err(format!("makes the event types larger than {BYTES} bytes altogether"));
        }
        Ok(())
    }

    /// One schema by itself. What it costs to read it is spent even if it is wrong: it may be so for many event types.
    fn made(&mut self, schema: &Value) -> Result<Part, String> {
        self.spend(schema.to_string().len())?;
        let mut needs = BTreeSet::new();
        let schema = self.converted(schema, &mut needs)?;
        // The place of the fault, and not the value, which may be all of it.
        jsonschema::draft7::meta::validate(&schema).map_err(|fault| {
            let place = fault.instance_path();
            format!("must be a JSON Schema, draft 7: {} at `{place}`", fault.masked())
        })?;
        let bytes = schema.to_string().len();
        Ok(Part { schema, bytes, needs })
    }

    /// A schema in the words of draft 7, with references into its definitions.
    fn converted(&mut self, schema: &Value, needs: &mut BTreeSet<String>) -> Result<Value, String> {
        let Value::Object(members) = schema else { return Ok(schema.clone()) };
        let reference = members.get("$ref").and_then(Value::as_str);
        let link = reference.map(|reference| self.link(reference, needs)).transpose()?;
        if let Some(link) = &link
            && self.document.is_3_0()
        {
            return Ok(json!({ "$ref": link }));
        }
        let mut made = Map::new();
        for (name, value) in members {
            let word = name.as_str();
            if DROPPED.contains(&word) || (word == "$ref" && link.is_some()) {
                continue;
            }
            let value = match value {
                Value::Object(named) if NAMED.contains(&word) => {
                    let mut schemas = Map::new();
                    for (name, schema) in named {
                        schemas.insert(name.clone(), self.converted(schema, needs)?);
                    }
                    schemas.into()
                }
                Value::Array(items) if NESTED.contains(&word) => {
                    let schemas = items.iter().map(|schema| self.converted(schema, needs));
                    schemas.collect::<Result<Vec<_>, _>>()?.into()
                }
                Value::Object(_) if NESTED.contains(&word) => self.converted(value, needs)?,
                Value::Object(_) if word == "discriminator" => {
                    self.discriminator(value.clone(), needs)?
                }
                _ => value.clone(),
            };
            made.insert(name.clone(), value);
        }
        if self.document.is_3_0() {
            modernise(&mut made);
        }
        if let Some(first) = made.remove("prefixItems")
            && let Some(rest) = made.insert("items".to_owned(), first)
        {
            made.insert("additionalItems".to_owned(), rest);
        }
        match link {
            // Beside a reference draft 7 ignores all else.
            Some(link) if !made.is_empty() => {
                let all = made.entry("allOf").or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(all) = all {
                    all.push(json!({ "$ref": link }));
                }
            }
            Some(link) => drop(made.insert("$ref".to_owned(), link.into())),
            None => {}
        }
        Ok(made.into())
    }

    /// What tells which schema of several it is: by their names, or by references.
    fn discriminator(
        &mut self,
        mut value: Value,
        needs: &mut BTreeSet<String>,
    ) -> Result<Value, String> {
        let mapping = value.get_mut("mapping").and_then(Value::as_object_mut);
        for schema in mapping.into_iter().flat_map(Map::values_mut) {
            if let Some(reference) = schema.as_str().filter(|text| text.starts_with('#')) {
                *schema = self.link(reference, needs)?.into();
            }
        }
        Ok(value)
    }

    /// The reference to a definition in the place of one into the document.
    fn link(&mut self, reference: &str, needs: &mut BTreeSet<String>) -> Result<String, String> {
        let (place, _) = self.document.schema(reference)?;
        let link = format!("#/{DEFINITIONS}/{}", self.name(&place));
        needs.insert(place);
        Ok(link)
    }

    /// What the schema at a place is called: like the component that it is, or by the whole way to it.
    fn name(&mut self, place: &str) -> &str {
        if !self.names.contains_key(place) {
            let way = place.strip_prefix("/components/schemas/").unwrap_or(place);
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            let wished: String = way.chars().map(|c| if plain(c) { c } else { '_' }).collect();
            let mut name = wished.clone();
            while self.taken.contains_key(&name) {
                let places = self.taken.entry(wished.clone()).or_default();
                *places += 1;
                name = format!("{wished}_{places}");
            }
            self.taken.insert(name.clone(), 1);
            self.names.insert(place.to_owned(), name);
        }
        &self.names[place]
    }
}

/// Says in words of JSON Schema what OpenAPI 3.0 has its own for.
fn modernise(schema: &mut Map<String, Value>) {
    for (bound, is_exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")]
    {
        if let Some(&Value::Bool(excludes)) = schema.get(is_exclusive) {
            schema.remove(is_exclusive);
            let excluded = if excludes { schema.remove(bound) } else { None };
            schema.extend(excluded.map(|value| (is_exclusive.to_owned(), value)));
        }
    }
    if schema.remove("nullable") == Some(Value::Bool(true))
        && let Some(Value::String(kind)) = schema.get("type")
    {
        let kinds = json!([kind, "null"]);
        schema.insert("type".to_owned(), kinds);
    }
}
