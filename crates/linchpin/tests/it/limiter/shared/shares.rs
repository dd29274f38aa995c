//! What passes by shares while the store is away, and what becomes of it on the way back.

use std::sync::Arc;
use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::limiter::Rate;
use linchpin::resilience::limiter::shared::{OnStoreError, Options, Shared};
use linchpin::time::Instant;
use linchpin_testing::steps::drop_at_each;

use super::{Handle, Mood, Store, drain, five, refused, take};
use crate::limiter::{ms, pass};

const NODES: u32 = 4;
const BURST: u32 = 40;
const PER_SECOND: u32 = 10;

fn fleet(store: &Arc<Store>) -> Vec<Shared<Handle>> {
    let options = Options::default().burst(BURST).on_store_error(OnStoreError::LocalShare(NODES));
    let node = || {
        let rate = Rate::per_second(PER_SECOND);
        Shared::new("test", rate, options.clone(), Handle(store.clone())).unwrap()
    };
    (0..NODES).map(|_| node()).collect()
}

/// Counts what all let pass, and holds it to the bound at each visit.
struct Count {
    began: Instant,
    passed: u32,
    bursts: u32,
}

impl Count {
    fn new(bursts: u32) -> Self {
        Self { began: Instant::now(), passed: 0, bursts }
    }

    /// All visit as often as they pass, again and again for so long.
    async fn hammer(&mut self, nodes: &[Shared<Handle>], how_long: Duration) {
        let until = Instant::now() + how_long;
        while Instant::now() < until {
            for node in nodes {
                while take(node).await.is_ok() {
                    self.passed += 1;
                    self.check();
                }
            }
            pass(ms(7)).await;
        }
    }

    /// Beside the bursts and the rate, one for each node, of which a part may be in its share, and what those pass who have
    /// not yet seen that the store is back.
    fn check(&self) {
        let seconds = self.began.elapsed().as_secs_f64();
        let bound =
            f64::from(self.bursts * BURST + NODES) + f64::from(PER_SECOND) * (seconds + 0.1);
        assert!(f64::from(self.passed) <= bound, "{} in {seconds:.3} s", self.passed);
    }
}

#[tokio::test(start_paused = true)]
async fn by_shares_a_fleet_lets_one_burst_more_pass_whether_or_not_the_store_has_lost_all() {
    for (loses, how_long) in [(false, 1), (false, 20), (true, 1), (true, 20)] {
        let store = Store::new();
        let nodes = fleet(&store);
        let mut count = Count::new(2);
        count.hammer(&nodes, ms(1_000)).await;
        assert!(count.passed >= BURST, "{}", count.passed);

        store.is(Mood::Ill);
        if loses {
            store.loses_all();
        }
        let before = count.passed;
        count.hammer(&nodes, Duration::from_secs(how_long)).await;
        assert!(nodes.iter().all(|node| node.numbers().away));
        let without: u64 = nodes.iter().map(|node| node.numbers().passed_without_store).sum();
        assert_eq!(without, u64::from(count.passed - before), "it is counted");
        assert!(count.passed - before >= BURST, "{} of a burst", count.passed - before);

        store.is(Mood::Well);
        let before = count.passed;
        count.hammer(&nodes, ms(30_000)).await;
        let numbers: Vec<_> = nodes.iter().map(Shared::numbers).collect();
        assert!(numbers.iter().all(|numbers| !numbers.away), "{numbers:?}");
        assert!(numbers.iter().all(|numbers| numbers.forgot == u64::from(loses)), "{numbers:?}");
        // Back, the whole rate passes again.
        let after = count.passed - before;
        assert!(after >= 29 * PER_SECOND, "{after} in 30 s");
    }
}

#[tokio::test(start_paused = true)]
async fn each_outage_lets_one_burst_more_pass_and_not_two() {
    let store = Store::new();
    let nodes = fleet(&store);
    let mut count = Count::new(1);
    for _ in 0..5 {
        count.hammer(&nodes, ms(5_000)).await;
        store.is(Mood::Ill);
        store.loses_all();
        count.bursts += 1;
        count.hammer(&nodes, ms(10_000)).await;
        store.is(Mood::Well);
    }
    count.hammer(&nodes, ms(5_000)).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_nobody_used_meanwhile_is_whole_and_costs_no_visit_more() {
    let store = Store::new();
    let limiter = five(&store, OnStoreError::LocalShare(2));
    let ctx = Context::root();
    store.is(Mood::Ill);
    assert_eq!(drain(&limiter).await, 2);
    store.is(Mood::Well);
    pass(ms(100)).await;
    let asked = store.asked();
    // Whoever brings it back is not whose key it is.
    assert_eq!(limiter.take(&ctx, "bob", 1).await.unwrap().remaining(), 4);
    assert_eq!(store.asked(), asked + 1);
    // One that was used is told of once: 400 ms were used up, of which 100 are over.
    assert_eq!(limiter.take(&ctx, "ann", 1).await.unwrap().remaining(), 1);
    assert_eq!(store.asked(), asked + 3);
    assert_eq!(limiter.take(&ctx, "ann", 1).await.unwrap().remaining(), 0);
    assert_eq!(store.asked(), asked + 4);
}

#[tokio::test(start_paused = true)]
async fn a_share_of_one_that_is_more_than_a_part_owes_no_more_than_a_burst() {
    let store = Store::new();
    let limiter = five(&store, OnStoreError::LocalShare(50));
    store.is(Mood::Ill);
    assert_eq!(drain(&limiter).await, 1);
    store.is(Mood::Well);
    pass(ms(100)).await;
    // Fifty may have passed, which is ten bursts; one is owed, and a fifth of it is over.
    assert_eq!(drain(&limiter).await, 1);
    assert_eq!(refused(take(&limiter).await).retry_after, Some(ms(100)));
}

#[tokio::test(start_paused = true)]
async fn each_rate_of_a_key_is_told_what_was_used_of_it() {
    let store = Store::new();
    let options = Options::default().burst(4).also(Rate::per_hour(60), 10);
    let options = options.on_store_error(OnStoreError::LocalShare(2));
    let limiter =
        Shared::new("test", Rate::per_second(10), options, Handle(store.clone())).unwrap();
    store.is(Mood::Ill);
    assert_eq!(drain(&limiter).await, 2);
    pass(ms(400)).await;
    assert_eq!(drain(&limiter).await, 2);
    store.is(Mood::Well);
    // All of the first is back; of the second two times four are used.
    pass(ms(1_000)).await;
    assert_eq!(drain(&limiter).await, 2);
    let refusal = refused(take(&limiter).await);
    assert_eq!((refusal.used, refusal.limit), (10, 10));
}

#[tokio::test(start_paused = true)]
async fn a_penalty_without_the_store_is_one_for_all_when_it_is_back() {
    let store = Store::new();
    let (one, two) =
        (five(&store, OnStoreError::LocalShare(1)), five(&store, OnStoreError::Closed));
    store.is(Mood::Ill);
    one.penalize(&Context::root(), "ann", ms(2_000)).await.unwrap();
    store.is(Mood::Well);
    pass(ms(500)).await;
    assert_eq!(refused(take(&one).await).retry_after, Some(ms(1_500)));
    assert_eq!(refused(take(&two).await).retry_after, Some(ms(1_500)));
}

#[tokio::test(start_paused = true)]
async fn a_visit_on_the_way_back_that_is_dropped_anywhere_leaves_it_to_the_next() {
    let world = async || {
        let store = Store::new();
        let limiter = five(&store, OnStoreError::LocalShare(1));
        store.is(Mood::Ill);
        assert_eq!(drain(&limiter).await, 5);
        store.is(Mood::Slow(ms(10)));
        pass(ms(100)).await;
        (store, limiter, Context::root())
    };
    let left = async |(store, limiter, _): &(Arc<Store>, Shared<Handle>, Context)| {
        store.is(Mood::Well);
        pass(ms(100)).await;
        let more = drain(limiter).await;
        assert!(more <= 2, "{more} after a fifth of a second, or a little more");
    };
    let report =
        drop_at_each(world, async |(_, limiter, ctx)| limiter.take(ctx, "ann", 1).await, left)
            .await;
    assert!(report.steps > 2, "{report:?}");
}
