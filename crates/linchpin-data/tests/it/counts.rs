//! Stores of counts: one suite for all, faults planted and real, and breakers that open together.

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
use linchpin_data::counts::Redis;

use crate::server::{Server, Which, until};

const HOUR: Duration = Duration::from_hours(1);

fn redis(server: &Server) -> Redis {
    let url = format!("redis+unix://{}/redis.sock", server.path());
    Redis::new(linchpin_data::redis::connect(&url).unwrap())
}

fn counts(node: u64, calls: u64) -> Counts {
    Counts { node, calls, failures: calls / 2, slow: calls / 3 }
}

/// What the others have told, by node.
async fn tell(
    store: &dyn DynCountStore,
    group: &str,
    counts: Counts,
    forget_after: Duration,
) -> Vec<Counts> {
    let told = Told { group, counts, forget_after };
    let mut others = store.exchange_boxed(&told).await.unwrap();
    others.sort_by_key(|counts| counts.node);
    others
}

async fn keeps_to_the_port(store: &dyn DynCountStore) -> std::result::Result<(), String> {
    let same = |what: &str, seen: Vec<Counts>, expected: Vec<Counts>| {
        if seen == expected { Ok(()) } else { Err(format!("{what}: {seen:?}, not {expected:?}")) }
    };
    let (one, two, three) = (counts(1, 10), counts(u64::MAX, 20), counts(3, u64::from(u32::MAX)));
    same("alone", tell(store, "a", one, HOUR).await, vec![])?;
    same("the first", tell(store, "a", two, HOUR).await, vec![one])?;
    same("both", tell(store, "a", three, HOUR).await, vec![one, two])?;
    // Who says it again, as after a lost answer, has said it once.
    same("again", tell(store, "a", three, HOUR).await, vec![one, two])?;
    let more = counts(1, 11);
    same("more", tell(store, "a", more, HOUR).await, vec![three, two])?;
    same("the newest word", tell(store, "a", two, HOUR).await, vec![more, three])?;
    same("another group", tell(store, "a}", one, HOUR).await, vec![])?;
    // Who has been silent for too long is forgotten, and may come back.
    let moment = Duration::from_micros(1);
    same("silent", tell(store, "a", more, moment).await, vec![])?;
    same("and back", tell(store, "a", two, HOUR).await, vec![more])
}

#[derive(Clone, Copy, Debug)]
enum Plant {
    AddsUp,
    ForgetsNobody,
    MixesGroups,
    AnswersWithAll,
    KeepsTheFirstWord,
}

struct Planted(Plant, Memory);

impl CountStore for Planted {
    async fn exchange<'a>(&'a self, told: &'a Told<'a>) -> Result<Vec<Counts>> {
        let mut told = *told;
        match self.0 {
            Plant::AddsUp => {
                let mut others = self.1.exchange(&told).await?;
                for counts in &mut others {
                    counts.calls *= 2;
                }
                return Ok(others);
            }
            Plant::ForgetsNobody => told.forget_after = HOUR,
            Plant::MixesGroups => told.group = "",
            Plant::AnswersWithAll => {
                let mut all = self.1.exchange(&told).await?;
                all.push(told.counts);
                return Ok(all);
            }
            Plant::KeepsTheFirstWord => {
                let silent = Counts { node: 0, ..told.counts };
                let looks = Told { counts: silent, ..told };
                let known = self.1.exchange(&looks).await?;
                if known.iter().any(|counts| counts.node == told.counts.node) {
                    let node = told.counts.node;
                    return Ok(known
                        .into_iter()
                        .filter(|c| c.node != node && c.node != 0)
                        .collect());
                }
            }
        }
        let others = self.1.exchange(&told).await?;
        Ok(others.into_iter().filter(|counts| counts.node != 0).collect())
    }
}

#[linchpin_testing::test]
async fn the_suite_finds_what_is_planted() {
    for plant in [
        Plant::AddsUp,
        Plant::ForgetsNobody,
        Plant::MixesGroups,
        Plant::AnswersWithAll,
        Plant::KeepsTheFirstWord,
    ] {
        let planted = Planted(plant, Memory::default());
        assert!(keeps_to_the_port(&planted).await.is_err(), "{plant:?}");
    }
}

#[linchpin_testing::test]
async fn memory_and_redis_keep_to_the_port() {
    keeps_to_the_port(&Memory::default()).await.unwrap();
    let server = Server::start(Which::Redis);
    keeps_to_the_port(&redis(&server)).await.unwrap();
}

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

#[linchpin_testing::test]
async fn breakers_open_together_over_redis_and_each_for_itself_without() {
    let mut server = Server::start(Which::Redis);
    let store: Arc<dyn DynCountStore> = Arc::new(redis(&server));
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
