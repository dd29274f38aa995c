//! Calls through a limit that is shared, as closures and as a tower layer, and the rules of all policies.

use std::future::ready;

use futures_util::FutureExt as _;
use linchpin::resilience::{BadOptions, FailedKind};
use tower_layer::Layer as _;
use tower_service::Service;

use super::*;
use crate::callee::{Callee, Said, callee, is_ready};
use crate::policy_rules::{Sick, Subject};

const ROOM: u32 = 1_100;

struct Limits(Shared<Memory>);

impl Subject for Limits {
    fn narrow() -> Self {
        build(Rate::per_hour(1), Options::default().burst(ROOM)).unwrap()
    }

    async fn call<T, Fut>(
        &self,
        ctx: &Context,
        work: impl FnOnce() -> Fut,
    ) -> Result<T, Failed<Sick>>
    where
        Fut: Future<Output = Result<T, Sick>>,
    {
        self.0.call(ctx, "ann", work).await
    }

    /// The one call that has begun is all that is missing.
    fn is_untouched(&self) -> bool {
        left(&self.0) >= ROOM - 1
    }

    fn counted_a_failure(&self) -> bool {
        left(&self.0) == ROOM - 1
    }

    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
        let options = || Options::default().burst(ROOM);
        [
            ("a rate of none", Rate::per_second(0), options()),
            ("a rate in all time", Rate::new(1, Duration::MAX), options()),
            ("all in a second", Rate::per_second(u32::MAX), options()),
            ("no burst", Rate::per_second(100), options().burst(0)),
            ("all at once", Rate::per_second(1_000_000), options().burst(u32::MAX)),
            ("no patience with the store", Rate::per_second(100), options().timeout(ms(0))),
            ("a wait for ever", Rate::per_second(100), options().longest_wait(Duration::MAX)),
        ]
        .into_iter()
        .map(|(name, rate, options)| (name, build(rate, options)))
        .collect()
    }
}

fn build(rate: Rate, options: Options) -> Result<Limits, BadOptions> {
    let store = Memory::new("calls", 100).unwrap();
    Shared::new("calls", rate, options, store).map(Limits)
}

fn left(limiter: &Shared<Memory>) -> u32 {
    let (root, nothing) = (Context::root(), 0);
    let seen = limiter.take(&root, "ann", nothing).now_or_never().expect("it is here");
    seen.unwrap().remaining()
}

crate::policy_rules::rules!(Limits);

type Named = fn(&'static str) -> Said<&'static str, &'static str>;

/// Answers with the name it is asked for.
fn named() -> Callee<Named> {
    callee(|name| ready(Ok(name)))
}

/// One to each of them but the health check.
fn key(name: &&'static str) -> Option<String> {
    (*name != "health").then(|| (*name).to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_service_calls_what_was_ready_for_each_key_at_its_own_rate() {
    let store = Store::new();
    let callee = named();
    let layer = five(&store, OnStoreError::Closed).layer(key);
    let mut service = layer.layer(callee.clone());
    assert!(is_ready(&mut service));
    drop(service.clone());
    assert_eq!(store.asked(), 0, "nothing is asked before the call");
    for n in 1..=5 {
        assert!(is_ready(&mut service));
        assert_eq!((service.call("ann").await.unwrap(), callee.calls()), ("ann", n));
    }
    assert!(is_ready(&mut service));
    let refused = service.call("ann").await.unwrap_err();
    assert!(matches!(refused.kind(), FailedKind::Refused(_)), "{refused:?}");
    assert_eq!(refused.retry_after(), Some(ms(100)));
    assert!(is_ready(&mut service));
    assert_eq!(service.call("bob").await.unwrap(), "bob", "another key");
    assert_eq!(callee.calls(), 6, "who is refused is not called");
    let asked = store.asked();
    assert!(is_ready(&mut service));
    assert_eq!(service.call("health").await.unwrap(), "health", "what has no key is not limited");
    assert_eq!(store.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_service_whose_store_is_away_does_as_it_was_told() {
    let store = Store::new();
    store.is(Mood::Hangs);
    for (then, passes) in [(OnStoreError::Open, true), (OnStoreError::Closed, false)] {
        let layer = five(&store, then).layer(key);
        let mut service = layer.layer(named());
        assert!(is_ready(&mut service));
        let began = Instant::now();
        assert_eq!(service.call("ann").await.is_ok(), passes, "{then:?}");
        assert_eq!(began.elapsed(), ms(50), "it waited for the store, and no longer");
    }
}
