//! A breaker for each key: bounded, and pruned by itself.

use std::cell::Cell;
use std::fmt::{self, Display, Formatter};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use linchpin::resilience::Outcome::Failure;
use linchpin::resilience::breaker::{Registry, RegistryOptions, State};
use linchpin::time::Instant;

use super::{SECOND, call, exact, hasty};

fn registry(limits: RegistryOptions) -> Registry<u64> {
    Registry::new("endpoint", hasty(), limits).unwrap()
}

#[test]
fn each_key_has_its_own_and_keeps_it() {
    let registry = registry(RegistryOptions::default());
    while call(&registry.get(&1), Failure) {}
    assert_eq!(registry.get(&1).state(), State::Open);
    assert_eq!(registry.get(&2).state(), State::Closed);
    let refusal = registry.get(&1).admit(Instant::now()).map(drop).unwrap_err();
    assert_eq!(refusal.key.as_deref(), Some("1"));
    assert!(refusal.to_string().starts_with("breaker `endpoint` refused `1`: open"));
    let mut shown: Vec<String> = registry.snapshots().iter().map(ToString::to_string).collect();
    shown.sort();
    assert!(shown[0].starts_with("breaker `endpoint` of `1`: open"), "{shown:?}");
    assert_eq!(registry.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_is_idle_is_forgotten_when_others_come() {
    let registry = registry(RegistryOptions::default().idle(60 * SECOND));
    for key in 0..100 {
        drop(registry.get(&key));
    }
    let held = registry.get(&7);
    tokio::time::advance(59 * SECOND).await;
    drop(registry.get(&8));
    tokio::time::advance(SECOND).await;
    for key in 1_000..1_100 {
        drop(registry.get(&key));
    }
    // All but who was asked for lately, who is held, and who came.
    assert_eq!(registry.len(), 102);
    while call(&held, Failure) {}
    assert_eq!(registry.get(&7).state(), State::Open, "it is the same still");
}

#[tokio::test(start_paused = true)]
async fn it_never_keeps_more_than_it_may() {
    let registry = registry(RegistryOptions::default().max_keys(10));
    let mut used = 0;
    for key in 0..1_000_u64 {
        tokio::time::advance(Duration::from_millis(1)).await;
        drop(registry.get(&key));
        // One that is used all the time.
        while call(&registry.get(&0), Failure) {}
        used += 1;
        assert!(registry.len() <= 10);
    }
    assert_eq!(used, 1_000);
    assert_eq!(registry.get(&0).state(), State::Open, "who is in use stays");
}

#[test]
fn where_all_are_held_a_key_gets_one_that_is_not_kept() {
    let registry = registry(RegistryOptions::default().max_keys(2));
    let held = (registry.get(&1), registry.get(&2));
    let guest = registry.get(&3);
    while call(&guest, Failure) {}
    assert_eq!(registry.len(), 2);
    assert_eq!(registry.get(&3).state(), State::Closed, "another one");
    drop(held);
    while call(&registry.get(&3), Failure) {}
    assert_eq!((registry.len(), registry.get(&3).state()), (2, State::Open), "now it is kept");
}

#[test]
fn keys_that_panic_leave_the_registry_whole() {
    /// Its text is a panic if it is odd, its hash if that was asked for.
    #[derive(Clone, Eq, PartialEq)]
    struct Key(u8);
    thread_local! {
        static HASHES: Cell<bool> = const { Cell::new(true) };
    }
    impl Hash for Key {
        fn hash<H: Hasher>(&self, state: &mut H) {
            assert!(HASHES.get(), "no hash");
            self.0.hash(state);
        }
    }
    impl Display for Key {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            assert!(self.0.is_multiple_of(2), "no words");
            f.write_str("key")
        }
    }
    let limits = RegistryOptions::default().max_keys(2);
    let registry = Registry::new("test", hasty(), limits).unwrap();
    let panics = |key| catch_unwind(AssertUnwindSafe(|| drop(registry.get(&Key(key))))).is_err();
    assert!(!panics(0) && !panics(2));
    HASHES.set(false);
    assert!(panics(0) && panics(4));
    HASHES.set(true);
    assert!(panics(1) && registry.len() == 2);
    for key in [4, 6, 8] {
        assert!(!panics(key));
        assert_eq!(registry.len(), 2);
    }
}

#[test]
fn other_options_are_for_all() {
    let registry = registry(RegistryOptions::default());
    let breaker = registry.get(&1);
    registry.reconfigure(&exact().count_window(5).min_calls(5)).unwrap();
    for breaker in [breaker, registry.get(&2)] {
        assert_eq!((0..10).take_while(|_| call(&breaker, Failure)).count(), 5);
    }
    assert!(registry.reconfigure(&exact().min_calls(0)).is_err());
}

#[test]
fn a_registry_for_no_key_is_a_mistake() {
    let limits = RegistryOptions::default().max_keys(0);
    let bad = Registry::<u64>::new("test", exact(), limits).unwrap_err().to_string();
    assert_eq!(
        bad,
        "bad options for breaker::Registry: it would keep no breaker, and so none would ever open"
    );
}

#[test]
fn threads_that_ask_for_a_key_at_once_get_one_breaker() {
    for round in 0..100 {
        let registry = registry(RegistryOptions::default());
        std::thread::scope(|scope| {
            let ask = || scope.spawn(|| assert!(call(&registry.get(&round), Failure)));
            for thread in [ask(), ask()] {
                thread.join().unwrap();
            }
        });
        assert_eq!((registry.len(), registry.get(&round).state()), (1, State::Open));
    }
}
