//! What becomes of a shared limit when its server hangs, dies and comes back.
//!
//! Each drill is one function for all servers, and fails where a fault is planted for it. It has threads beside its own, which
//! stands still while a server goes and comes: a pool that took back a connection of before only then would think it fresh.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use linchpin::Context;
use linchpin::resilience::limiter::Rate;
use linchpin::resilience::limiter::shared::{
    Answer, DynRateStore, OnStoreError, Options, RateStore, Shared, Visit,
};
use linchpin::time::Instant;

use crate::server::{Server, Which, postgres, redis, until};

const BURST: u32 = 20;
const NODES: u32 = 4;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Plant {
    Nothing,
    /// All who find the store away ask whether it is back.
    AllAsk,
    /// The store does not tell that it forgot.
    HidesWhatItForgot,
    /// Each process takes the whole for its share.
    TakesAll,
    /// Nobody tells the store, when it is back, what has passed without it.
    TellsNothing,
}

/// A store with a fault.
struct Planted(Plant, Arc<dyn DynRateStore>);

impl RateStore for Planted {
    async fn take<'a>(&'a self, visit: &'a Visit<'a>) -> linchpin::Result<Answer> {
        self.1.take_boxed(visit).await
    }

    async fn penalize<'a>(&'a self, visit: &'a Visit<'a>) -> linchpin::Result<()> {
        if self.0 == Plant::TellsNothing {
            return Ok(());
        }
        self.1.penalize_boxed(visit).await
    }

    async fn epoch(&self) -> linchpin::Result<u64> {
        if self.0 == Plant::HidesWhatItForgot {
            return Ok(1);
        }
        self.1.epoch_boxed().await
    }
}

pub(super) fn planted(plant: Plant, store: Arc<dyn DynRateStore>) -> Arc<dyn DynRateStore> {
    Arc::new(Planted(plant, store))
}

pub(super) async fn store(which: Which, path: &str) -> Arc<dyn DynRateStore> {
    match which {
        Which::Redis => Arc::new(redis(path)),
        Which::Postgres => {
            let store = postgres(path);
            store.migrate().await.unwrap();
            Arc::new(store)
        }
    }
}

/// A burst, and nothing more for an hour.
async fn limiter(server: &Server, which: Which, options: Options, plant: Plant) -> Shared {
    let store = planted(plant, store(which, server.path()).await);
    Shared::new("drill", Rate::per_hour(1), options.burst(BURST), store).unwrap()
}

async fn drain(limiter: &Shared) -> u32 {
    let ctx = Context::root();
    let mut passed = 0;
    while limiter.take(&ctx, "key", 1).await.is_ok() {
        passed += 1;
        assert!(passed <= 3 * BURST, "it never ends");
    }
    passed
}

/// Visits until the store is back, of which none passes without it.
async fn back(limiter: &Shared) {
    let ctx = Context::root();
    until("the store is back", async || {
        drop(limiter.take(&ctx, "another", 0).await);
        !limiter.numbers().away
    })
    .await;
}

async fn it_hangs(which: Which, plant: Plant) {
    let server = Server::start(which);
    let timeout = Duration::from_secs(1);
    let options = Options::default().on_store_error(OnStoreError::Closed).timeout(timeout);
    let asks =
        if plant == Plant::AllAsk { Duration::from_nanos(1) } else { Duration::from_millis(100) };
    let limiter = limiter(&server, which, options.ask_again(asks), plant).await;
    let ctx = Context::root();
    limiter.take(&ctx, "key", 1).await.unwrap();

    server.freeze();
    // Whoever has no time to wait is not kept, and says nothing of the store.
    let hurried = ctx.with_timeout(Duration::from_millis(500));
    let began = Instant::now();
    let refusal = limiter.take(&hurried, "key", 1).await.unwrap_err();
    assert!(refusal.to_string().contains("its store is away"), "{refusal}");
    assert!(began.elapsed() < Duration::from_millis(400), "a tenth of what it has");
    assert!(!limiter.numbers().away);
    // Whoever has is kept for so long, once; those after it are not.
    limiter.take(&ctx, "key", 1).await.unwrap_err();
    assert!(limiter.numbers().away);
    let began = Instant::now();
    for _ in 0..3 {
        let all = join_all((0..50).map(|_| limiter.take(&ctx, "key", 1))).await;
        assert!(all.iter().all(Result::is_err));
    }
    let asked = limiter.numbers().failures;
    let windows = began.elapsed().as_millis() / 100 + 2;
    assert!(u128::from(asked) <= windows, "{asked} have asked in {windows} turns");
    server.thaw();

    back(&limiter).await;
    let numbers = limiter.numbers();
    assert_eq!((numbers.switches, numbers.forgot, numbers.passed), (1, 0, 1), "{numbers:?}");
    assert_eq!(numbers.passed_without_store, 0);
    // What was asked of it while it was still may have been charged late; more than the burst has not passed.
    let passed = drain(&limiter).await;
    assert!(passed < BURST, "{passed}");
}

async fn it_restarts(which: Which, keep: bool, plant: Plant) {
    let mut server = Server::start(which);
    let options = Options::default().on_store_error(OnStoreError::Closed);
    let options = options.timeout(Duration::from_secs(5));
    let limiter = limiter(&server, which, options, plant).await;
    assert_eq!(drain(&limiter).await, BURST);

    server.down(keep);
    assert_eq!(drain(&limiter).await, 0, "closed");
    assert!(limiter.numbers().away);
    server.up();
    if which == Which::Postgres && !keep {
        // What was not logged is empty, the schema is there.
        store(which, server.path()).await;
    }
    back(&limiter).await;

    let more = drain(&limiter).await;
    assert_eq!(more, if keep { 0 } else { BURST });
    let numbers = limiter.numbers();
    assert_eq!((numbers.switches, numbers.forgot), (1, u64::from(!keep)), "{numbers:?}");
    assert_eq!(numbers.passed, u64::from(BURST + more));
}

/// Of a fleet all let pass a burst by the store, and one by their shares. It comes back to a burst that has passed twice,
/// with what it knew or without.
async fn each_for_itself(which: Which, keep: bool, plant: Plant) {
    let mut server = Server::start(which);
    let share = OnStoreError::LocalShare(if plant == Plant::TakesAll { 1 } else { NODES });
    let options = Options::default().on_store_error(share).timeout(Duration::from_secs(5));
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(limiter(&server, which, options.clone(), plant).await);
    }
    // Each knows the store's epoch.
    let mut passed = Vec::new();
    for node in &nodes {
        passed.push(drain(node).await);
    }
    assert_eq!(passed, [BURST, 0, 0, 0]);

    server.down(keep);
    for node in &nodes {
        // A fourth of the burst, and none of it twice.
        assert_eq!(drain(node).await, BURST / NODES);
        assert_eq!(drain(node).await, 0);
        assert_eq!(node.numbers().passed_without_store, u64::from(BURST / NODES));
    }

    server.up();
    for node in &nodes {
        back(node).await;
    }
    for node in &nodes {
        assert_eq!(drain(node).await, 0);
        let numbers = node.numbers();
        assert_eq!((numbers.switches, numbers.forgot), (1, u64::from(!keep)), "{numbers:?}");
    }
}

#[linchpin_testing::test(threads = 2)]
async fn redis_that_hangs_keeps_nobody_waiting() {
    it_hangs(Which::Redis, Plant::Nothing).await;
}

#[linchpin_testing::test(threads = 2)]
async fn postgres_that_hangs_keeps_nobody_waiting() {
    it_hangs(Which::Postgres, Plant::Nothing).await;
}

#[linchpin_testing::test(threads = 2)]
async fn redis_that_restarts_lets_no_more_pass_than_it_forgot() {
    it_restarts(Which::Redis, true, Plant::Nothing).await;
    it_restarts(Which::Redis, false, Plant::Nothing).await;
}

#[linchpin_testing::test(threads = 2)]
async fn postgres_that_restarts_lets_no_more_pass_than_it_forgot() {
    it_restarts(Which::Postgres, true, Plant::Nothing).await;
    it_restarts(Which::Postgres, false, Plant::Nothing).await;
}

#[linchpin_testing::test(threads = 2)]
async fn without_its_server_each_process_keeps_to_its_share() {
    for keep in [true, false] {
        each_for_itself(Which::Redis, keep, Plant::Nothing).await;
        each_for_itself(Which::Postgres, keep, Plant::Nothing).await;
    }
}

#[linchpin_testing::test(threads = 2)]
async fn each_drill_finds_what_is_planted_for_it() {
    let hangs = it_hangs(Which::Redis, Plant::AllAsk);
    assert!(AssertUnwindSafe(hangs).catch_unwind().await.is_err(), "all have asked");
    let restarts = it_restarts(Which::Redis, false, Plant::HidesWhatItForgot);
    assert!(AssertUnwindSafe(restarts).catch_unwind().await.is_err(), "it is hidden");
    for plant in [Plant::TakesAll, Plant::TellsNothing] {
        let share = each_for_itself(Which::Redis, false, plant);
        assert!(AssertUnwindSafe(share).catch_unwind().await.is_err(), "{plant:?}");
    }
}
