//! Every options type of the crate, and the component that its default builds. A test sees to it that none is missing.

use linchpin::resilience::bulkhead::{self, Bulkhead};

use linchpin::task::pool::{self, Pool};
use linchpin::task::watch::{self, Watch};

type Build = fn() -> Result<(), linchpin::Error>;

const DEFAULTS: [(&str, Build); 3] = [
    ("resilience::bulkhead::Options", || {
        Ok(Bulkhead::new("test", 1, bulkhead::Options::default()).map(drop)?)
    }),
    ("task::pool::options::Options", || Pool::new(1, pool::Options::default()).map(drop)),
    ("task::watch::Options", || Watch::start(watch::Options::default()).map(drop)),
];

#[test]
fn every_default_builds_its_component() {
    for (name, build) in DEFAULTS {
        if let Err(error) = build() {
            panic!("{name}: {}", error.report());
        }
    }
}
