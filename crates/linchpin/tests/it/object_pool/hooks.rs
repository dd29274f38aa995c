//! What is done to what comes back, and what happens when that goes wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use linchpin::sync::object_pool::{ObjectPool, Options};

#[derive(Debug, Default)]
struct Form {
    name: String,
    age: u32,
}

#[test]
fn what_comes_back_is_reset_before_it_is_used_again() {
    let options = Options::default().reset(|form: &mut Form| *form = Form::default());
    let pool = ObjectPool::new(Form::default, options).unwrap();
    let mut form = pool.take();
    (form.name, form.age) = ("Ada".to_owned(), 36);
    drop(form);
    let form = pool.take();
    assert_eq!((form.name.as_str(), form.age, pool.stats().reused), ("", 0, 1));
}

#[test]
fn what_a_reset_forgets_is_nonsense_in_a_debug_build() {
    let options = Options::default()
        .poison(|form: &mut Form| (form.name, form.age) = ("poison".to_owned(), 0xA5A5))
        .reset(|form| form.name.clear());
    let pool = ObjectPool::new(Form::default, options).unwrap();
    pool.take().age = 36;
    let stale = if cfg!(debug_assertions) { 0xA5A5 } else { 36 };
    let form = pool.take();
    assert_eq!((form.name.as_str(), form.age), ("", stale));
}

#[test]
fn what_is_not_fit_to_be_kept_is_dropped() {
    let options =
        Options::default().keep_if(|text: &String| text.capacity() <= 64).reset(String::clear);
    let pool = ObjectPool::new(String::new, options).unwrap();
    pool.take().push_str(&"x".repeat(65));
    assert_eq!((pool.stats().kept, pool.stats().discarded), (0, 1));
    pool.take().push_str("short");
    assert_eq!((pool.stats().kept, pool.stats().discarded), (1, 1));
}

#[test]
fn a_hook_that_panics_costs_its_object_and_nothing_else() {
    type Change = fn(Options<Vec<u8>>) -> Options<Vec<u8>>;
    let hooks: [Change; 3] = [
        |options| options.reset(|bytes| assert!(bytes.is_empty(), "planted: reset")),
        |options| {
            options.keep_if(|bytes| if bytes.is_empty() { true } else { panic!("planted: fit") })
        },
        |options| {
            let weigh =
                |bytes: &Vec<u8>| if bytes.is_empty() { 1 } else { panic!("planted: weigh") };
            options.max_bytes(100, weigh)
        },
    ];
    for (at, hook) in hooks.into_iter().enumerate() {
        let pool = ObjectPool::new(Vec::new, hook(Options::default().per_thread(0))).unwrap();
        let mut bad = pool.take();
        bad.push(1);
        drop(bad);
        let stats = pool.stats();
        assert_eq!((stats.out, stats.kept, stats.discarded), (0, 0, 1), "hook {at}");
        drop(pool.take());
        assert_eq!(pool.stats().kept, 1, "hook {at}: the pool goes on");
    }
}

#[test]
fn a_making_that_panics_is_the_takers_and_nothing_is_out() {
    let broken = Arc::new(AtomicBool::new(true));
    let pool = {
        let broken = broken.clone();
        let make = move || assert!(!broken.load(Ordering::Relaxed), "planted");
        ObjectPool::new(make, Options::default()).unwrap()
    };
    assert!(catch_unwind(AssertUnwindSafe(|| drop(pool.take()))).is_err());
    let stats = pool.stats();
    assert_eq!((stats.out, stats.made, stats.reused, stats.discarded), (0, 0, 0, 0));
    broken.store(false, Ordering::Relaxed);
    drop(pool.take());
    assert_eq!((pool.stats().made, pool.stats().kept), (1, 1));
}

#[test]
fn what_comes_back_from_a_holder_that_panics_is_dropped() {
    let pool = ObjectPool::new(String::new, Options::default()).unwrap();
    let broken = catch_unwind(AssertUnwindSafe(|| {
        let mut half = pool.take();
        half.push_str("half of");
        panic!("planted");
    }));
    assert!(broken.is_err());
    assert_eq!((pool.stats().out, pool.stats().kept, pool.stats().discarded), (0, 0, 1));
}

#[test]
fn an_object_that_panics_when_the_pool_drops_it_harms_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("planted");
        }
    }
    let pool = ObjectPool::new(|| Bomb, Options::default().per_thread(0).max_kept(2)).unwrap();
    drop([pool.take(), pool.take(), pool.take()]);
    assert_eq!((pool.stats().kept, pool.stats().discarded), (2, 1));
    pool.clear();
    assert_eq!((pool.stats().kept, pool.stats().discarded), (0, 3));
    drop(pool.take());
    drop(pool);
}
