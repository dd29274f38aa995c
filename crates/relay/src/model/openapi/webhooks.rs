//! What the webhooks of a document say of event types.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::document::Document;
use super::schema::Bundler;
use super::{NOWHERE, Webhook};
use crate::model::event_type::{EventTypePatch, FLAGS, Schemas};
use crate::model::{Faults, rules};

/// The most webhooks of a document.
const WEBHOOKS: usize = 1000;
/// Where a document may have them; what is in both is as the last one has it.
const SECTIONS: [&str; 2] = ["x-webhooks", "webhooks"];
/// The operations of a webhook; the first that is there is read.
const METHODS: [&str; 8] = ["post", "put", "patch", "delete", "get", "query", "options", "head"];
/// The version that a schema is kept under: examples are looked for there.
const VERSION: &str = "1";

/// The webhooks of a document by name, and what is wrong with them.
pub(super) fn read(document: &Document, faults: &mut Faults) -> Vec<Webhook> {
    let mut items = BTreeMap::new();
    for section in SECTIONS {
        match document.root().get(section) {
            None | Some(Value::Null) => {}
            Some(Value::Object(named)) => {
                items.extend(named.iter().map(|(name, item)| (name.as_str(), (section, item))));
            }
            Some(_) => faults.add([section], "must be an object"),
        }
    }
    if items.len() > WEBHOOKS {
        faults.add(NOWHERE, format!("must have at most {WEBHOOKS} webhooks, has {}", items.len()));
        return Vec::new();
    }
    if items.is_empty() {
        faults.add(NOWHERE, "must have something in `webhooks` or `x-webhooks`");
    }
    let mut bundler = Bundler::new(document);
    let mut read = Vec::with_capacity(items.len());
    for (name, (section, item)) in items {
        faults.within(section, |faults| {
            rules::name(faults, name.to_owned(), name);
            let patch = faults.within(name.to_owned(), |faults| {
                let mut reader = Reader { document, bundler: &mut bundler, faults };
                reader.event_type(item)
            });
            read.extend(patch.map(|patch| Webhook { name: name.to_owned(), patch }));
        });
        if bundler.is_spent() {
            break;
        }
    }
    read
}

/// Reads webhooks, and notes what is wrong.
struct Reader<'a, 'f> {
    document: &'a Document,
    bundler: &'f mut Bundler<'a>,
    faults: &'f mut Faults,
}

/// What comes with a request of a webhook.
struct Body<'a> {
    description: Option<&'a str>,
    schema: Option<Value>,
}

impl<'a> Reader<'a, '_> {
    /// What a webhook says of its event type; `None` if that is not to be had.
    fn event_type(&mut self, item: &'a Value) -> Option<EventTypePatch> {
        let item = self.followed(item)?;
        let found = METHODS.iter().find_map(|&method| Some((method, item.get(method)?)));
        let Some((method, operation)) = found else {
            self.faults.add(NOWHERE, "must have an operation, such as `post`");
            return None;
        };
        self.within(method, |reader| reader.operation(item, operation))
    }

    fn operation(&mut self, item: &Value, operation: &'a Value) -> Option<EventTypePatch> {
        let body = match operation.get("requestBody") {
            Some(body) => self.within("requestBody", |reader| reader.body(body))?,
            None => Body { description: None, schema: None },
        };
        let feature_flag = self.extension::<Option<String>>(item, operation, "x-svix-feature-flag");
        let feature_flags =
            self.extension::<Option<BTreeSet<String>>>(item, operation, "x-svix-feature-flags");
        let group_name = self.extension::<Option<String>>(item, operation, "x-svix-group-name");
        if let Some(Some(flag)) = &feature_flag {
            rules::name(self.faults, "x-svix-feature-flag", flag);
        }
        let flags = feature_flags.as_ref().and_then(Option::as_ref);
        rules::names(self.faults, "x-svix-feature-flags", FLAGS, flags);
        if let Some(Some(group)) = &group_name {
            rules::name(self.faults, "x-svix-group-name", group);
        }
        let places = [
            (operation, "description"),
            (operation, "summary"),
            (item, "description"),
            (item, "summary"),
        ];
        let description = places.into_iter().find_map(|(of, member)| text(of, member));
        let description = description.or(body.description).unwrap_or_default();
        self.spend(description.len())?;
        Some(EventTypePatch {
            description: Some(description.to_owned()),
            archived: Some(false),
            deprecated: Some(operation.get("deprecated") == Some(&Value::Bool(true))),
            schemas: Some(body.schema.map(|schema| Schemas::from([(VERSION.to_owned(), schema)]))),
            feature_flag,
            feature_flags,
            group_name,
        })
    }

    fn body(&mut self, body: &'a Value) -> Option<Body<'a>> {
        let body = self.followed(body)?;
        let content = body.get("content").and_then(Value::as_object);
        let found = content.and_then(|content| {
            let exact = content.get_key_value("application/json");
            exact.or_else(|| content.iter().find(|(kind, _)| is_json(kind)))
        });
        let media = found.and_then(|(kind, media)| Some((kind, media, media.get("schema")?)));
        let schema = match media {
            Some((kind, media, schema)) => Some(self.within("content", |reader| {
                reader.within(kind.clone(), |reader| reader.schema(media, schema))
            })?),
            None => None,
        };
        Some(Body { description: text(body, "description"), schema })
    }

    fn schema(&mut self, media: &Value, schema: &'a Value) -> Option<Value> {
        let mut bundle = match self.bundler.bundle(schema) {
            Ok(bundle) => bundle,
            Err(why) => {
                self.faults.add(["schema"], why);
                return None;
            }
        };
        if let Value::Object(members) = &mut bundle
            && !members.contains_key("examples")
        {
            let examples = self.examples(media, members.get("example"));
            if !examples.is_empty() {
                let examples = Value::from(examples);
                self.spend(examples.to_string().len())?;
                members.insert("examples".to_owned(), examples);
            }
        }
        let json = serde_json::json!({ VERSION: bundle }).to_string();
        rules::readable(self.faults, "schema", &json);
        Some(bundle)
    }

    /// What the document has for examples outside of the list in the schema, where they are looked for when one is sent.
    fn examples(&self, media: &Value, of_schema: Option<&Value>) -> Vec<Value> {
        if let Some(example) = media.get("example") {
            return vec![example.clone()];
        }
        let named = media.get("examples").and_then(Value::as_object);
        let values = named.into_iter().flat_map(|named| named.values()).filter_map(|example| {
            let example = self.document.follow(example).ok()?;
            example.get("dataValue").or_else(|| example.get("value")).cloned()
        });
        let values: Vec<_> = values.collect();
        if values.is_empty() { of_schema.cloned().into_iter().collect() } else { values }
    }

    /// A member of the operation, or of the webhook around it.
    fn extension<T: for<'de> Deserialize<'de>>(
        &mut self,
        item: &Value,
        operation: &Value,
        name: &'static str,
    ) -> Option<T> {
        let value = operation.get(name).or_else(|| item.get(name))?;
        self.spend(value.to_string().len())?;
        T::deserialize(value).map_err(|fault| self.faults.add([name], fault.to_string())).ok()
    }

    fn spend(&mut self, bytes: usize) -> Option<()> {
        self.bundler.spend(bytes).map_err(|why| self.faults.add(NOWHERE, why)).ok()
    }

    /// What is meant where there may be a reference.
    fn followed(&mut self, value: &'a Value) -> Option<&'a Value> {
        self.document.follow(value).map_err(|why| self.faults.add(NOWHERE, why)).ok()
    }

    fn within<R>(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        read: impl FnOnce(&mut Reader<'a, '_>) -> R,
    ) -> R {
        let Self { document, bundler, faults } = self;
        faults.within(name, |faults| read(&mut Reader { document, bundler, faults }))
    }
}

fn text<'v>(of: &'v Value, member: &str) -> Option<&'v str> {
    of.get(member)?.as_str().filter(|text| !text.is_empty())
}

/// `application/json` with parameters, another type whose suffix says so, or any type.
fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(&*essence, "application/json" | "application/*" | "*/*") || essence.ends_with("+json")
}
