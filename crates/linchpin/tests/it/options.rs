//! Every options type of the crate, and the component that its default builds. A test sees to it that none is missing.

use linchpin::resilience::bulkhead::{self, Bulkhead};

use linchpin::task::pipeline::{self, Pipeline};
use linchpin::task::watch::{self, Watch};

type Build = fn() -> Result<(), linchpin::Error>;

const DEFAULTS: [(&str, Build); 3] = [
    ("resilience::bulkhead::Options", || {
        Ok(Bulkhead::new("test", 1, bulkhead::Options::default()).map(drop)?)
    }),
    ("task::pipeline::options::Options", || {
        let source = futures_util::stream::iter([1]);
        let pipeline = Pipeline::from(source).map("pass", pipeline::Options::default(), Ok);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(pipeline.collect(&linchpin::Context::root())).map(drop)
    }),
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
