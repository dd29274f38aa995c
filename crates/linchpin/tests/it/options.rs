//! Every options type of the crate, and the component that its default builds. A test sees to it that none is missing.

use std::time::Duration;

use linchpin::resilience::adaptive::{self, Adaptive};
use linchpin::resilience::breaker::fleet::{self, Fleet, Memory};
use linchpin::resilience::breaker::{self, Breaker};
use linchpin::resilience::bulkhead::{self, Bulkhead};
use linchpin::resilience::chaos::{self, Chaos};
use linchpin::resilience::fallback::{self, Fallback};
use linchpin::resilience::hedge::{self, Hedge};
use linchpin::resilience::limiter::{self, Keyed, KeyedOptions, Limiter, Rate, shared};
use linchpin::resilience::outlier::{self, Balancer};
use linchpin::resilience::retry::{self, Retry};
use linchpin::resilience::shed::{self, Shedder};
use linchpin::resilience::throttle::{self as load_throttle, Throttle};
use linchpin::sync::batch::{self, Batcher};
use linchpin::sync::bus::{self, Bus};
use linchpin::sync::lanes::{self, Lanes};
use linchpin::sync::object_pool::{self, BufferOptions, BufferPool, ObjectPool};
use linchpin::sync::semaphore::{self, Semaphore};
use linchpin::sync::singleflight;
use linchpin::task::pipeline::{self, Pipeline};
use linchpin::task::pool::{self, Pool};
use linchpin::task::supervisor::{self, Supervisor};
use linchpin::task::ticker::{self, Ticker};
use linchpin::task::watch::{self, Watch};
use linchpin::task::{debounce, throttle};

const SECOND: Duration = Duration::from_secs(1);

type Build = fn() -> Result<(), linchpin::Error>;

const DEFAULTS: &[(&str, Build)] = &[
    ("resilience::adaptive::options::Options", || {
        Ok(Adaptive::new("test", adaptive::Options::default()).map(drop)?)
    }),
    ("resilience::breaker::options::Options", || {
        Ok(Breaker::new("test", breaker::Options::default()).map(drop)?)
    }),
    ("resilience::breaker::fleet::Options", || {
        let breaker = Breaker::new("test", breaker::Options::default())?;
        let join = || Fleet::join(&breaker, Memory::default(), fleet::Options::default()).map(drop);
        Ok(crate::paused::block_on(async { join() })?)
    }),
    ("resilience::breaker::registry::RegistryOptions", || {
        let limits = breaker::RegistryOptions::default();
        let options = breaker::Options::default();
        Ok(breaker::Registry::<u8>::new("test", options, limits).map(drop)?)
    }),
    ("resilience::bulkhead::options::Options", || {
        Ok(Bulkhead::new("test", 1, bulkhead::Options::default()).map(drop)?)
    }),
    ("resilience::fallback::options::Options", || {
        Ok(Fallback::new("test", fallback::Options::default()).map(drop)?)
    }),
    ("resilience::hedge::options::Options", || {
        Ok(Hedge::new("test", hedge::Options::default()).map(drop)?)
    }),
    ("resilience::retry::options::Options", || {
        Ok(Retry::new("test", retry::Options::default()).map(drop)?)
    }),
    ("resilience::limiter::options::Options", || {
        Ok(Limiter::new("test", Rate::per_second(1), limiter::Options::default()).map(drop)?)
    }),
    ("resilience::limiter::shared::options::Options", || {
        let store = shared::Memory::new("test", 1)?;
        let options = shared::Options::default();
        Ok(shared::Shared::new("test", Rate::per_second(1), options, store).map(drop)?)
    }),
    ("resilience::limiter::keyed::KeyedOptions", || {
        let (options, limits) = (limiter::Options::default(), KeyedOptions::default());
        Ok(Keyed::<u8>::new("test", Rate::per_second(1), options, limits).map(drop)?)
    }),
    ("resilience::outlier::options::Options", || {
        Ok(Balancer::new("test", ["a"], outlier::Options::default()).map(drop)?)
    }),
    ("resilience::chaos::options::Options", || {
        let options = chaos::Options::<u8, linchpin::Error>::default();
        Ok(Chaos::new("test", |_| true, options).map(drop)?)
    }),
    ("resilience::shed::options::Options", || {
        let options = shed::Options::default().load(shed::Load::given());
        Ok(Shedder::new("test", options).map(drop)?)
    }),
    ("resilience::throttle::options::Options", || {
        Ok(Throttle::new("test", load_throttle::Options::default()).map(drop)?)
    }),
    ("sync::bus::options::Options", || {
        Ok(Bus::<u8>::with(bus::Options::default()).topic("test").map(drop)?)
    }),
    ("sync::batch::options::Options", || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let ctx = linchpin::Context::root();
        let work = |_, _| async { Ok(()) };
        let build = async { Batcher::<u8>::new(&ctx, batch::Options::default(), work).map(drop) };
        Ok(runtime.block_on(build)?)
    }),
    ("sync::lanes::options::Options", || {
        Ok(Lanes::<u8, u8, u8>::new(1, lanes::Options::default()).map(drop)?)
    }),
    ("sync::object_pool::options::Options", || {
        Ok(ObjectPool::new(String::new, object_pool::Options::default()).map(drop)?)
    }),
    ("sync::object_pool::options::BufferOptions", || {
        Ok(BufferPool::new(BufferOptions::default()).map(drop)?)
    }),
    ("sync::semaphore::options::Options", || {
        Ok(Semaphore::new(1, semaphore::Options::default()).map(drop)?)
    }),
    ("sync::singleflight::options::Options", || {
        let options = singleflight::Options::default();
        Ok(singleflight::Group::<u8, u8>::new(options).map(drop)?)
    }),
    ("task::supervisor::options::Options", || {
        Ok(Supervisor::new("test", supervisor::Options::default()).map(drop)?)
    }),
    ("task::debounce::Options", || {
        Ok(debounce::channel::<u8>(SECOND, debounce::Options::default()).map(drop)?)
    }),
    ("task::pipeline::options::Options", || {
        let source = futures_util::stream::iter([1]);
        let pipeline = Pipeline::from(source).map("pass", pipeline::Options::default(), Ok);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(pipeline.collect(&linchpin::Context::root())).map(drop)
    }),
    ("task::pool::options::Options", || Pool::new(1, pool::Options::default()).map(drop)),
    ("task::throttle::Options", || {
        Ok(throttle::channel::<u8>(SECOND, throttle::Options::default()).map(drop)?)
    }),
    ("task::ticker::Options", || Ok(Ticker::new(SECOND, ticker::Options::default()).map(drop)?)),
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
