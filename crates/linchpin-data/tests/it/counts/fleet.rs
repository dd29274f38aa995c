//! Breakers that open together over a server, and each for itself without.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use linchpin::Result;
use linchpin::resilience::Outcome;
use linchpin::resilience::breaker::fleet::{
    CountStore, Counts, DynCountStore, Fleet, Memory, Options, Told,
};
use linchpin::resilience::breaker::{self, Breaker, State};
use linchpin::time::Instant;

use super::store;
use crate::server::{Server, Which, until};

/// Told apart by nothing but their window: four calls are too few, eight are enough.
fn node(store: Arc<dyn DynCountStore>) -> (Breaker, Fleet) {
    let breaker = Breaker::new("fleet", breaker::Options::default().min_calls(8)).unwrap();
    let options = Options::default().every(Duration::from_millis(5));
    let fleet = Fleet::join(&breaker, store, options.timeout(Duration::from_secs(5))).unwrap();
    (breaker, fleet)
}

fn fail(breaker: &Breaker, times: u32) {
    for _ in 0..times {
        breaker.admit(Instant::now()).unwrap().record(Outcome::Failure);
    }
}

/// Breakers over a store, which loses all it knows, and comes back.
async fn open_together(which: Which) {
    let mut server = Server::start(which);
    let store: Arc<dyn DynCountStore> = store(which, &server).await;
    let (one, first) = node(store.clone());
    let (two, second) = node(store.clone());
    let met = || first.numbers().nodes == 1 && second.numbers().nodes == 1;
    until("they have met", async || met()).await;

    // Each has seen too little to judge; together it is enough.
    fail(&one, 4);
    fail(&two, 4);
    let open = || one.state() == State::Open && two.state() == State::Open;
    until("both are open", async || open()).await;

    // Closed again, they do not open by what was before.
    one.reset();
    two.reset();
    fail(&one, 1);
    until("two has heard of it", async || second.numbers().calls == 1).await;
    assert_eq!(two.state(), State::Closed);

    // Without the store each goes on by its own.
    server.down(false);
    until("both know", async || first.numbers().away && second.numbers().away).await;
    fail(&one, 6);
    fail(&two, 7);
    assert_eq!((one.state(), two.state()), (State::Closed, State::Closed));
    fail(&one, 1);
    assert_eq!((one.state(), two.state()), (State::Open, State::Closed));

    // And back, they open together again.
    server.up();
    until("both are back", async || met()).await;
    assert_eq!((first.numbers().switches, second.numbers().switches), (1, 1));
    one.reset();
    two.reset();
    fail(&one, 4);
    fail(&two, 4);
    until("both are open again", async || open()).await;
    drop((first, second));
}

#[linchpin_testing::test(threads = 2)]
async fn breakers_open_together_over_redis_and_each_for_itself_without() {
    open_together(Which::Redis).await;
}

#[linchpin_testing::test(threads = 2)]
async fn breakers_open_together_over_postgres_and_each_for_itself_without() {
    open_together(Which::Postgres).await;
}

/// A store that can be told to be silent.
#[derive(Clone)]
struct Silent(Arc<Memory>, Arc<AtomicBool>);

impl CountStore for Silent {
    async fn exchange<'a>(&'a self, told: &'a Told<'a>) -> Result<Vec<Counts>> {
        if self.1.load(Ordering::SeqCst) {
            return pending().await;
        }
        self.0.exchange(told).await
    }
}

#[linchpin_testing::test(start_paused)]
async fn a_store_that_is_silent_is_left_alone_until_the_next_turn() {
    let store = Silent(Arc::default(), Arc::new(AtomicBool::new(true)));
    let breaker = Breaker::new("fleet", breaker::Options::default()).unwrap();
    let fleet = Fleet::join(&breaker, store.clone(), Options::default()).unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((fleet.numbers().away, fleet.numbers().switches), (true, 1));
    store.1.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((fleet.numbers().away, fleet.numbers().switches), (false, 1));
    drop(fleet);
}
