//! The sources of the workspace, for tests that read them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::catalogue::root;

/// Every Rust file of every crate.
pub(crate) fn sources() -> Vec<(PathBuf, String)> {
    let found = files(&root().join("crates"), "rs");
    assert!(found.len() > 20, "the walk lost its way");
    found
}

/// Every file below `folder` with this extension, in a fixed order.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let text = fs::read_to_string(&path).expect("a text file");
                found.push((path, text));
            }
        }
    }
    found.sort_unstable();
    found
}

pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The crate's folder and the path of the module in it: `linchpin-data`, `["sqlite", "options"]`. `None` for tests,
/// examples and benches.
pub(crate) fn module(path: &Path) -> Option<(String, Vec<String>)> {
    let relative = relative(path);
    let (package, inside) = relative.strip_prefix("crates/")?.split_once("/src/")?;
    let inside = inside.strip_suffix(".rs")?;
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    let segments = inside.split('/').filter(|segment| !matches!(*segment, "lib" | "main"));
    Some((package.to_owned(), segments.map(str::to_owned).collect()))
}
