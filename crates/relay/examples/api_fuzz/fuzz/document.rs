//! The OpenAPI document as the fuzzer needs it: what each operation takes, and what it may answer.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::schema;

/// What the service says of itself.
#[derive(Debug)]
pub(crate) struct Document {
    whole: Value,
    pub(crate) operations: Vec<Operation>,
    /// The body of every error that no operation lists: an unknown path, another method.
    pub(crate) error: Validator,
}

/// One method of one path.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: String,
    /// With its parameters in braces.
    pub(crate) path: String,
    /// The names of the parameters in the path, in their order.
    pub(crate) path_names: Vec<String>,
    pub(crate) query: Vec<Parameter>,
    /// The schema of the request's body.
    pub(crate) body: Option<Value>,
    /// Whether it wants a token.
    pub(crate) is_secured: bool,
    /// What it may answer: no schema is no body.
    pub(crate) answers: BTreeMap<u16, Option<Validator>>,
    /// The methods of its path.
    pub(crate) methods: BTreeSet<String>,
}

/// One name of a query.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) schema: Value,
    pub(crate) is_required: bool,
}

const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];
const JSON: &str = "/content/application~1json/schema";

impl Document {
    /// Reads it; `Err` says what in it makes no sense.
    pub(crate) fn new(whole: Value) -> Result<Self, String> {
        let paths = whole["paths"].as_object().ok_or("a document without paths")?;
        let mut operations = Vec::new();
        for (path, item) in paths {
            for method in METHODS.iter().filter(|method| item.get(**method).is_some()) {
                let operation = operation(&whole, path, item, method);
                operations.push(operation.map_err(|fault| format!("{method} {path}: {fault}"))?);
            }
        }
        let error = whole.pointer("/components/schemas/ErrorBody").ok_or("no ErrorBody")?;
        let error = schema::validator(error, &whole)?;
        Ok(Self { whole, operations, error })
    }

    /// What a reference stands for; anything else stands for itself.
    pub(crate) fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        schema::resolved(schema, &self.whole)
    }

    /// The name of the parameter that stands for one item of the list at `path`, if any path goes on with one.
    pub(crate) fn item_of(&self, path: &str) -> Option<&str> {
        self.operations.iter().find_map(|operation| {
            let rest = operation.path.strip_prefix(path)?.strip_prefix("/{")?;
            rest.strip_suffix('}').filter(|name| !name.contains('/'))
        })
    }

    /// Whether an operation shows one item of a list.
    pub(crate) fn shows_one(&self, operation: &Operation) -> bool {
        let list = operation.path.rsplit_once("/{").filter(|(_, name)| name.ends_with('}'));
        let is_list = |list: &str| self.operations.iter().any(|other| other.path == list);
        operation.method == "GET" && list.is_some_and(|(list, _)| is_list(list))
    }

    /// What teaches values of a parameter: the operation that makes one, then the one that lists them.
    pub(crate) fn teachers(&self, name: &str) -> impl Iterator<Item = &Operation> {
        let teaches = move |method: &'static str| {
            self.operations.iter().filter(move |operation| {
                operation.method == method && self.item_of(&operation.path) == Some(name)
            })
        };
        teaches("POST").chain(teaches("GET"))
    }
}

fn operation(whole: &Value, path: &str, item: &Value, method: &str) -> Result<Operation, String> {
    let of = &item[method];
    let parameters = of["parameters"].as_array().into_iter().flatten();
    let query =
        parameters.filter(|parameter| parameter["in"] == "query").map(|parameter| Parameter {
            name: parameter["name"].as_str().unwrap_or_default().to_owned(),
            schema: parameter["schema"].clone(),
            is_required: parameter["required"] == true,
        });
    let mut answers = BTreeMap::new();
    for (status, response) in of["responses"].as_object().into_iter().flatten() {
        // `default` says what the body of any other error is, and allows none.
        let Ok(status) = status.parse() else { continue };
        let body = schema::resolved(response, whole).pointer(JSON);
        answers.insert(status, body.map(|body| schema::validator(body, whole)).transpose()?);
    }
    let security = of.get("security").or(whole.get("security")).and_then(Value::as_array);
    let methods = item.as_object().into_iter().flatten().map(|(method, _)| method.to_uppercase());
    Ok(Operation {
        id: of["operationId"].as_str().ok_or("no operationId")?.to_owned(),
        method: method.to_uppercase(),
        path: path.to_owned(),
        path_names: names(path),
        query: query.collect(),
        body: of["requestBody"].pointer(JSON).cloned(),
        is_secured: security.is_some_and(|ways| !ways.contains(&json!({}))),
        answers,
        methods: methods.collect(),
    })
}

/// The names in braces.
fn names(path: &str) -> Vec<String> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(str::to_owned)
        .collect()
}
