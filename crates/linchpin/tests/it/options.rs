//! Every options type of the crate, and the component that its default builds. A test sees to it that none is missing.

use linchpin::resilience::BadOptions;
use linchpin::resilience::bulkhead::{self, Bulkhead};

type Build = fn() -> Result<(), BadOptions>;

const DEFAULTS: [(&str, Build); 1] = [("resilience::bulkhead::Options", || {
    Bulkhead::new("test", 1, bulkhead::Options::default()).map(drop)
})];

#[test]
fn every_default_builds_its_component() {
    for (name, build) in DEFAULTS {
        assert_eq!(build(), Ok(()), "{name}");
    }
}
