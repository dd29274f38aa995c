//! A document, and what its references name.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use serde_saphyr::{SnippetMode, UserMessageFormatter};

/// An OpenAPI document of version 3.
#[derive(Debug)]
pub(super) struct Document {
    root: Value,
    is_3_0: bool,
}

/// How deep YAML may be nested: its parser takes 20 KiB of the stack for a level, when it is not optimised. JSON has the
/// limit of all bodies.
const DEPTH: usize = 48;
/// The most values that the text of a document may be, with what its aliases repeat.
const NODES: usize = 250_000;
/// The most of them that aliases may repeat.
const REPEATED: usize = 50_000;
/// The most bytes of texts and numbers in a document, with what its aliases repeat.
const SCALARS: usize = 8 << 20;
/// The longest reference, in bytes. What one costs is paid wherever it stands, and a document may have tens of thousands.
const REFERENCE: usize = 1000;
/// How often a reference may lead to another, for the same reason.
const FURTHER: usize = 16;
/// So much of a reference is told of one that leads nowhere, in characters.
const TOLD: usize = 200;

impl Document {
    /// One that was parsed.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub(super) fn new(root: Value) -> Result<Self, String> {
        let version = match root.get("openapi") {
            Some(Value::String(version)) => version.clone(),
            // YAML without quotes.
            Some(Value::Number(version)) => version.to_string(),
            _ => String::new(),
        };
        if version != "3" && !version.starts_with("3.") {
            return Err("must be an OpenAPI document: `openapi` must begin with 3".to_owned());
        }
        Ok(Self { root, is_3_0: version.starts_with("3.0") })
    }

    /// One as a text, JSON or YAML.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let root = serde_json::from_str(text).or_else(|json| {
            // A good deal of JSON is YAML as well, but who writes a brace means JSON.
            let is_meant = text.trim_start().starts_with('{');
            yaml(text).map_err(|yaml| {
                let why = if is_meant { json.to_string() } else { yaml };
                format!("must be JSON or YAML: {why}")
            })
        })?;
        Self::new(root)
    }

    pub(super) fn root(&self) -> &Value {
        &self.root
    }

    /// Whether schemas are those of OpenAPI 3.0, which are none of JSON Schema.
    pub(super) fn is_3_0(&self) -> bool {
        self.is_3_0
    }

    /// What is meant by `value`, which may be a reference.
    ///
    /// # Errors
    ///
    /// Why a reference leads nowhere.
    pub(super) fn follow<'a>(&'a self, value: &'a Value) -> Result<&'a Value, String> {
        match value.get("$ref") {
            Some(Value::String(reference)) => {
                Ok(self.resolve(reference, |value| value.get("$ref")?.as_str())?.1)
            }
            _ => Ok(value),
        }
    }

    /// Where the schema is that is meant by a reference, and which it is.
    ///
    /// # Errors
    ///
    /// Why it leads nowhere.
    pub(super) fn schema(&self, reference: &str) -> Result<(String, &Value), String> {
        self.resolve(reference, |schema| self.alias(schema))
    }

    /// What a schema refers to that is nothing but a reference.
    pub(super) fn alias<'a>(&self, schema: &'a Value) -> Option<&'a str> {
        let members = schema.as_object()?;
        // Beside a reference OpenAPI 3.0 ignores all else.
        let alone = self.is_3_0 || members.len() == 1;
        members.get("$ref").filter(|_| alone)?.as_str()
    }

    fn resolve<'a>(
        &'a self,
        reference: &str,
        next: impl Fn(&'a Value) -> Option<&'a str>,
    ) -> Result<(String, &'a Value), String> {
        let first = reference;
        let (mut passed, mut reference) = (BTreeSet::new(), reference);
        let mut found;
        let mut pointer = pointer(reference)?;
        loop {
            let Some(value) = self.root.pointer(&pointer) else {
                return Err(told(reference, "which is not in the document"));
            };
            found = value;
            let Some(further) = next(found) else { return Ok((pointer, found)) };
            if !passed.insert(pointer) {
                return Err(told(reference, "which refers to itself"));
            }
            if passed.len() > FURTHER {
                let why = format!("which leads on more than {FURTHER} times");
                return Err(told(first, &why));
            }
            reference = further;
            pointer = self::pointer(reference)?;
        }
    }
}

/// The JSON pointer of a reference.
fn pointer(reference: &str) -> Result<String, String> {
    let outside = || told(reference, "which is outside of the document");
    let fragment = reference.strip_prefix('#').ok_or_else(outside)?;
    if reference.len() > REFERENCE {
        return Err(told(reference, &format!("which is longer than {REFERENCE} bytes")));
    }
    let pointer = percent_decode_str(fragment).decode_utf8().map_err(|_| outside())?;
    if !pointer.starts_with('/') {
        return Err(told(reference, "which is no place in the document"));
    }
    Ok(pointer.into_owned())
}

fn told(reference: &str, why: &str) -> String {
    let shown: String = reference.chars().take(TOLD).collect();
    format!("refers to `{shown}`, {why}")
}

fn yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH,
            max_nodes: NODES,
            max_total_scalar_bytes: SCALARS,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: REPEATED },
        // As in YAML 1.2: the country NO is a text.
        strict_booleans: true,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|fault| {
        fault.render_with_options(serde_saphyr::render_options! {
            formatter: &UserMessageFormatter,
            snippets: SnippetMode::Off,
        })
    })
}
