//! What the docs of a public function must say, as far as a machine can tell.
//!
//! `# Errors` and `# Panics` are lints of clippy, which the gate runs; here is what no lint knows.

use std::fs;

use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ImplItemFn, ItemFn, ItemImpl, ItemMod, ItemTrait, Lit, Meta};
use syn::{ReturnType, Signature, TraitItemFn, Type, TypeParamBound, Visibility};

use crate::catalogue::root;
use crate::source::{module, relative, sources};

const SECTION: &str = "# Cancel safety";

/// The public functions of a file that wait and do not say what dropping them half-way does.
#[derive(Default)]
struct Silent {
    found: Vec<String>,
    waits: usize,
}

impl Silent {
    fn in_file(text: &str) -> Self {
        let mut silent = Self::default();
        silent.visit_file(&syn::parse_file(text).expect("Rust"));
        silent
    }

    fn judge(&mut self, signature: &Signature, attributes: &[Attribute]) {
        if signature.asyncness.is_none() && !gives_a_future(signature) {
            return;
        }
        self.waits += 1;
        if !attributes.iter().filter_map(doc).any(|line| line.trim() == SECTION) {
            self.found.push(signature.ident.to_string());
        }
    }
}

impl<'ast> Visit<'ast> for Silent {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if is_public(&item.vis) {
            self.judge(&item.sig, &item.attrs);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if is_public(&item.vis) {
            self.judge(&item.sig, &item.attrs);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        // What implements a trait is documented there.
        if item.trait_.is_none() {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        if is_public(&item.vis) {
            visit::visit_item_trait(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        self.judge(&item.sig, &item.attrs);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let is_test = |attribute: &Attribute| {
            attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Path>()
                    .is_ok_and(|condition| condition.is_ident("test"))
        };
        if !item.attrs.iter().any(is_test) {
            visit::visit_item_mod(self, item);
        }
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The line of a doc comment.
fn doc(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attribute.meta else { return None };
    let Expr::Lit(literal) = &meta.value else { return None };
    match &literal.lit {
        Lit::Str(text) if meta.path.is_ident("doc") => Some(text.value()),
        _ => None,
    }
}

fn gives_a_future(signature: &Signature) -> bool {
    let ReturnType::Type(_, output) = &signature.output else { return false };
    let Type::ImplTrait(output) = &**output else { return false };
    output.bounds.iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().is_some_and(|segment| segment.ident == "Future")
        }
        _ => false,
    })
}

#[test]
fn every_public_wait_of_the_toolkit_says_whether_it_may_be_cancelled() {
    let (mut waits, mut silent) = (0, Vec::new());
    for (path, text) in sources() {
        if module(&path).is_some_and(|(package, _)| package.starts_with("linchpin")) {
            let found = Silent::in_file(&text);
            waits += found.waits;
            silent.extend(found.found.iter().map(|name| format!("{}: {name}", relative(&path))));
        }
    }
    assert_eq!(silent, Vec::<String>::new(), "without a section `{SECTION}`");
    assert!(waits > 20, "the scan lost its way: {waits}");
}

#[test]
fn a_silent_wait_is_caught() {
    let found = |text: &str| Silent::in_file(text).found;
    for planted in [
        "pub async fn planted() {}",
        "/// Waits.\n///\n/// # Errors\n///\n/// Cancel safety is not told.\npub async fn planted() {}",
        "impl Thing { pub async fn planted(&self) {} }",
        "pub trait Port { async fn planted(&self); }",
        "pub trait Port { fn planted(&self) -> impl Future<Output = ()> + Send; }",
        "pub fn planted() -> impl std::future::Future<Output = ()> { async {} }",
        "pub mod inner { pub async fn planted() {} }",
    ] {
        assert_eq!(found(planted), ["planted"], "{planted}");
    }
    for sound in [
        "/// Waits.\n///\n/// # Cancel safety\n///\n/// Safe.\npub async fn sound() {}",
        "pub(crate) async fn sound() {}",
        "async fn sound() {}",
        "trait Port { async fn sound(&self); }",
        "impl Port for Thing { async fn sound(&self) {} }",
        "pub fn sound() -> impl Iterator<Item = u8> { [].into_iter() }",
        "#[cfg(test)] mod tests { pub async fn sound() {} }",
    ] {
        assert_eq!(found(sound), Vec::<String>::new(), "{sound}");
    }
}

/// What is wrong with the lints in a manifest that clippy itself would not say.
fn lints_that_are_off(manifest: &str) -> Vec<&'static str> {
    let is_off = |lint: &&str| {
        manifest.lines().any(|line| {
            line.trim_start().strip_prefix(*lint).is_some_and(|rest| {
                rest.trim_start().starts_with('=') && rest.contains("\"allow\"")
            })
        })
    };
    ["pedantic", "missing_errors_doc", "missing_panics_doc", "missing_debug_implementations"]
        .into_iter()
        .filter(is_off)
        .collect()
}

#[test]
fn the_lints_that_read_docs_are_on_in_every_crate() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    assert!(manifest.contains("pedantic = { level = \"warn\""), "they are pedantic lints");
    assert_eq!(lints_that_are_off(&manifest), Vec::<&str>::new());
    for entry in fs::read_dir(root().join("crates")).expect("the crates") {
        let path = entry.expect("an entry").path().join("Cargo.toml");
        let manifest = fs::read_to_string(&path).expect("a manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", path.display());
    }

    assert_eq!(lints_that_are_off("missing_errors_doc = \"allow\""), ["missing_errors_doc"]);
    assert_eq!(lints_that_are_off("  missing_panics_doc=\"allow\" # why"), ["missing_panics_doc"]);
    assert_eq!(lints_that_are_off("missing_errors_doc = \"warn\""), Vec::<&str>::new());
}
