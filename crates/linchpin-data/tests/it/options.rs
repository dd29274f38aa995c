//! Every options type of the crate, and the component that its default builds. A test of `linchpin` sees to it that
//! none is missing.

use linchpin::Result;
use linchpin_data::sqlite::{Database, Options};

type Build = fn() -> Result<()>;

const DEFAULTS: [(&str, Build); 1] = [("sqlite::options::Options", || {
    let folder = tempfile::tempdir().expect("a folder");
    Database::open(folder.path().join("test.db"), Options::default()).map(drop)
})];

#[linchpin_testing::test]
fn every_default_builds_its_component() {
    for (name, build) in DEFAULTS {
        assert!(build().is_ok(), "{name}");
    }
}
