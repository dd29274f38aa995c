//! A limiter of keys: each for itself, forgotten when there is nothing to remember, bounded.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use linchpin::Context;
use linchpin::resilience::limiter::{Keyed, KeyedOptions, Options, Rate};
use linchpin::time::Instant;

use super::{ms, pass, retry_after};

fn keyed<K: Eq + std::hash::Hash>(burst: u32, max_keys: usize) -> Keyed<K> {
    let options = Options::default().burst(burst);
    let limits = KeyedOptions::default().max_keys(max_keys);
    Keyed::new("test", Rate::per_second(10), options, limits).unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_key_has_the_rate_for_itself_and_the_refusal_names_it() {
    let keyed: Keyed<String> = keyed(2, 10);
    keyed.try_acquire("ann", 2).unwrap();
    assert_eq!(
        keyed.clone().try_acquire("ann", 1).unwrap_err().to_string(),
        "limiter `test` refused `ann`: its rate is used up (2 of 2), try again in 100ms"
    );
    assert_eq!(keyed.try_acquire(&"bob".to_owned(), 1).unwrap().remaining(), 1);
    assert_eq!(keyed.try_acquire("cid", 0).unwrap().remaining(), 2);
    assert_eq!(keyed.len(), 2, "who only looks is not remembered");
    assert!(keyed.try_acquire("dan", 3).unwrap_err().retry_after.is_none());
    assert_eq!(keyed.len(), 2, "nor is who is refused");
}

#[tokio::test(start_paused = true)]
async fn l12_a_key_is_forgotten_when_its_whole_limit_is_free_again() {
    let keyed: Keyed<u32> = keyed(1, 2_000_000);
    assert!(keyed.is_empty());
    for key in 0..1_000_000 {
        keyed.try_acquire(&key, 1).unwrap();
    }
    assert_eq!((keyed.len(), keyed.prune()), (1_000_000, 0));
    pass(ms(10_000)).await;
    assert_eq!((keyed.prune(), keyed.len()), (1_000_000, 0));
}

#[tokio::test(start_paused = true)]
async fn keys_that_come_sweep_those_that_have_been_over_for_a_while() {
    let keyed: Keyed<u32> = keyed(1, 2_000_000);
    let mut most = 0;
    for key in 0..100_000 {
        keyed.try_acquire(&key, 1).unwrap();
        if key % 100 == 0 {
            pass(ms(100)).await;
        }
        most = most.max(keyed.len());
    }
    // A hundred at a time have something to remember, and ten thousand came in the last 10 s.
    assert!((10_000..25_000).contains(&most), "{most} keys were kept");
}

#[tokio::test(start_paused = true)]
async fn who_comes_again_after_a_while_is_still_there() {
    let keyed: Keyed<u32> = keyed(1, 10);
    keyed.try_acquire(&1, 1).unwrap();
    for other in 2..=9 {
        pass(ms(1_000)).await;
        keyed.try_acquire(&other, 1).unwrap();
    }
    assert_eq!(keyed.len(), 9);
    assert_eq!((keyed.prune(), keyed.len()), (8, 1));
}

#[tokio::test(start_paused = true)]
async fn new_keys_share_one_bucket_when_there_is_no_room() {
    let keyed: Keyed<u32> = keyed(2, 3);
    for key in 0..3 {
        keyed.try_acquire(&key, 1).unwrap();
    }
    assert_eq!(keyed.snapshot().state, "full");
    keyed.try_acquire(&10, 1).unwrap();
    assert_eq!(keyed.try_acquire(&11, 1).unwrap().remaining(), 0);
    assert_eq!(retry_after(keyed.try_acquire(&12, 1)), ms(100));
    let turn = keyed.reserve(&13, 1, ms(100)).unwrap();
    assert!(turn.cancel());
    assert_eq!(retry_after(keyed.try_acquire(&12, 1)), ms(100));
    // Those who are known go on.
    keyed.try_acquire(&0, 1).unwrap();
    assert_eq!(keyed.len(), 3);
    pass(ms(10_000)).await;
    keyed.prune();
    assert_eq!(keyed.try_acquire(&12, 1).unwrap().remaining(), 1);
    assert_eq!(
        keyed.snapshot().to_string(),
        "limiter `test`: room, keys 1, max_keys 3, limit 2, per_second 10, shared_remaining 2"
    );
}

#[tokio::test(start_paused = true)]
async fn turns_penalties_and_other_numbers_are_those_of_a_key() {
    let keyed: Keyed<u32> = keyed(1, 10);
    let (began, ctx) = (Instant::now(), Context::root());
    keyed.try_acquire(&1, 1).unwrap();
    let turn = keyed.reserve(&1, 1, ms(100)).unwrap();
    assert_eq!(retry_after(keyed.reserve(&1, 1, ms(100))), ms(200));
    assert!(turn.cancel());
    assert_eq!(keyed.acquire(&ctx, &1, 1).await.unwrap().waited(), ms(100));
    assert_eq!(Instant::now() - began, ms(100));
    assert_eq!(keyed.acquire(&ctx, &2, 1).await.unwrap().waited(), ms(0));

    let turn = keyed.reserve(&1, 1, ms(100)).unwrap();
    keyed.penalize(&1, Instant::now() + ms(700));
    keyed.penalize(&3, Instant::now() + ms(600));
    assert!(!turn.cancel(), "it would take the penalty back, too");
    assert_eq!(retry_after(keyed.try_acquire(&1, 1)), ms(700));
    assert_eq!(retry_after(keyed.try_acquire(&3, 1)), ms(600));
    assert_eq!(keyed.prune(), 0, "a penalty is remembered");

    let turn = keyed.reserve(&2, 1, ms(100)).unwrap();
    keyed.reconfigure(Rate::per_second(1), Options::default()).unwrap();
    assert!(!turn.cancel());
    assert_eq!(retry_after(keyed.try_acquire(&2, 1)), ms(1_100));
    assert_eq!(
        retry_after(
            keyed.try_acquire(&4, 2).or(keyed.reserve(&2, 1, ms(1)).map(|turn| turn.decision()))
        ),
        ms(1_100)
    );
    let other = keyed.reconfigure(Rate::per_second(1), Options::default().sliding_log());
    assert!(other.unwrap_err().to_string().contains("another algorithm"));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_forgotten_comes_as_if_it_were_new() {
    let keyed: Keyed<u32> = keyed(1, 10);
    let turn = keyed.reserve(&1, 1, ms(100)).unwrap();
    keyed.penalize(&1, Instant::now() + ms(700));
    keyed.penalize(&2, Instant::now() + ms(700));
    assert_eq!((keyed.forget(&1), keyed.forget(&1), keyed.len()), (true, false, 1));
    assert_eq!(retry_after(keyed.try_acquire(&2, 1)), ms(700));

    keyed.try_acquire(&1, 1).unwrap();
    assert!(!turn.cancel(), "it would be given back to another");
    assert_eq!(retry_after(keyed.try_acquire(&1, 1)), ms(100));
}

#[tokio::test(start_paused = true)]
async fn keys_may_be_counted_too() {
    let options = Options::default().sliding_log();
    let limits = KeyedOptions::default();
    let keyed: Keyed<u32> = Keyed::new("test", Rate::per_second(2), options, limits).unwrap();
    keyed.try_acquire(&1, 2).unwrap();
    assert_eq!(retry_after(keyed.try_acquire(&1, 1)), ms(1_000));
    let turn = keyed.reserve(&1, 1, ms(1_000)).unwrap();
    assert!(turn.cancel());
    keyed.reconfigure(Rate::per_second(3), Options::default().sliding_log()).unwrap();
    assert_eq!(keyed.try_acquire(&1, 1).unwrap().remaining(), 0);
    pass(ms(1_000)).await;
    assert_eq!((keyed.prune(), keyed.len()), (1, 0));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let build = |options: Options, max_keys| {
        let limits = KeyedOptions::default().max_keys(max_keys);
        Keyed::<u8>::new("test", Rate::per_second(1), options, limits).unwrap_err().to_string()
    };
    assert_eq!(
        build(Options::default(), 0),
        "bad options for limiter::Keyed: it would keep no key, and all would share one bucket; take a Limiter"
    );
    assert!(build(Options::default().max_wait(ms(1)), 1).contains("`acquire` waits"));
}

#[test]
fn keys_that_panic_leave_the_limiter_whole() {
    #[derive(Clone, Eq, Hash, PartialEq)]
    struct Shy(u8);
    impl fmt::Display for Shy {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("not to be shown")
        }
    }
    #[derive(Eq, PartialEq)]
    struct Single(u8);
    impl Clone for Single {
        fn clone(&self) -> Self {
            panic!("not to be copied")
        }
    }
    impl std::hash::Hash for Single {
        fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
            assert!(self.0 != 0, "not to be hashed");
            self.0.hash(hasher);
        }
    }
    impl fmt::Display for Single {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }
    let shown: Keyed<Shy> = keyed(1, 10);
    shown.try_acquire(&Shy(1), 1).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| shown.try_acquire(&Shy(1), 1))).is_err());
    shown.try_acquire(&Shy(2), 1).unwrap();
    let copied: Keyed<Single> = keyed(1, 10);
    for key in [0, 1] {
        assert!(catch_unwind(AssertUnwindSafe(|| copied.try_acquire(&Single(key), 1))).is_err());
    }
    assert_eq!(copied.len(), 0);
    assert_eq!(copied.try_acquire(&Single(1), 0).unwrap().remaining(), 1);
}
