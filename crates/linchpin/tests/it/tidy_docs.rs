//! What the docs of a public function must say, as far as a machine can tell.
//!
//! `# Errors` and `# Panics` are lints of clippy, which the gate runs; here is what no lint knows.

use std::fs;

use crate::catalogue::root;
use crate::source::{module, relative, sources};
use crate::waits::{SECTION, waits};

#[test]
fn every_public_wait_of_the_toolkit_says_whether_it_may_be_cancelled() {
    let (mut seen, mut silent) = (0, Vec::new());
    for (path, text) in sources() {
        if module(&path).is_some_and(|(package, _)| package.starts_with("linchpin")) {
            let found = waits(&text);
            seen += found.len();
            let found = found.iter().filter(|wait| !wait.documented);
            silent.extend(found.map(|wait| format!("{}: {}", relative(&path), wait.name)));
        }
    }
    assert_eq!(silent, Vec::<String>::new(), "without a section `{SECTION}`");
    assert!(seen > 20, "the scan lost its way: {seen}");
}

#[test]
fn a_silent_wait_is_caught() {
    let found = |text: &str| {
        let silent = waits(text).into_iter().filter(|wait| !wait.documented);
        silent.map(|wait| wait.name).collect::<Vec<_>>()
    };
    assert_eq!(found("impl<T> Thing<T> { pub async fn planted(&self) {} }"), ["Thing::planted"]);
    assert_eq!(found("pub trait Port { async fn planted(&self); }"), ["Port::planted"]);
    for planted in [
        "pub async fn planted() {}",
        "/// Waits.\n///\n/// # Errors\n///\n/// Cancel safety is not told.\npub async fn planted() {}",
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
