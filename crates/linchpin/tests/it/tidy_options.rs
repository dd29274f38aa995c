//! Every options type has a default that its component takes.
//!
//! Each crate lists its own in `tests/it/options.rs`, with the component that is built from the default; here the list
//! is compared with the sources, so that none is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use syn::visit::{self, Visit};
use syn::{ItemStruct, LitStr, Visibility};

use crate::catalogue::root;
use crate::source::{module, sources};

/// Ends like options, and is an error.
const NONE: &str = "BadOptions";

#[derive(Default)]
struct Declared(Vec<String>);

impl<'ast> Visit<'ast> for Declared {
    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        let name = item.ident.to_string();
        let is_public = matches!(item.vis, Visibility::Public(_));
        if is_public && name.ends_with("Options") && name != NONE {
            self.0.push(name);
        }
    }
}

#[derive(Default)]
struct Named(BTreeSet<String>);

impl<'ast> Visit<'ast> for Named {
    fn visit_lit_str(&mut self, literal: &'ast LitStr) {
        let text = literal.value();
        if text.ends_with("Options") {
            self.0.insert(text);
        }
        visit::visit_lit_str(self, literal);
    }
}

/// The options types of a file, with the path of their module in front.
fn declared(segments: &[String], text: &str) -> Vec<String> {
    let mut declared = Declared::default();
    declared.visit_file(&syn::parse_file(text).expect("Rust"));
    let full = |name: String| {
        let mut path = segments.to_vec();
        path.push(name);
        path.join("::")
    };
    declared.0.into_iter().map(full).collect()
}

/// What is declared and not in the list, or the other way round.
fn differences(declared: &BTreeSet<String>, list: &str) -> Vec<String> {
    let mut named = Named::default();
    named.visit_file(&syn::parse_file(list).expect("Rust"));
    declared.symmetric_difference(&named.0).cloned().collect()
}

#[test]
fn every_options_type_is_in_the_list_of_its_crate() {
    let mut crates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources() {
        let Some((package, segments)) = module(&path) else { continue };
        for found in declared(&segments, &text) {
            crates.entry(package.clone()).or_default().insert(found);
        }
    }
    assert!(crates.len() > 2, "the scan lost its way: {crates:?}");
    let mut faults = Vec::new();
    for (package, declared) in &crates {
        let path = root().join("crates").join(package).join("tests/it/options.rs");
        let list = fs::read_to_string(path).unwrap_or_default();
        faults.extend(differences(declared, &list).iter().map(|name| format!("{package}: {name}")));
    }
    assert_eq!(faults, Vec::<String>::new(), "declared and not built from its default, or gone");
}

#[test]
fn a_forgotten_options_type_is_caught() {
    let text =
        "pub struct Options; pub struct OtherOptions; struct HiddenOptions; pub struct BadOptions;";
    let found = declared(&["retry".to_owned()], text);
    assert_eq!(found, ["retry::Options", "retry::OtherOptions"]);
    let found: BTreeSet<String> = found.into_iter().collect();
    let list = r#"const LIST: [&str; 1] = ["retry::Options"];"#;
    assert_eq!(differences(&found, list), ["retry::OtherOptions"]);
    let stale =
        r#"const LIST: [&str; 3] = ["retry::Options", "retry::OtherOptions", "x::Options"];"#;
    assert_eq!(differences(&found, stale), ["x::Options"]);
}
