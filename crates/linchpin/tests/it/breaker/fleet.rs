//! Breakers of a fleet: they open by what all see, and each by its own when it hears nothing.

use std::sync::Arc;
use std::time::Duration;

use linchpin::resilience::Outcome;
use linchpin::resilience::breaker::fleet::{CountStore, Counts, Fleet, Memory, Options, Told};
use linchpin::resilience::breaker::{self, Breaker, State};
use linchpin::time::Instant;
use tokio::time::sleep;

use crate::panic::logged;
use crate::paused::block_on;
use crate::recorder::Meters;

const TURN: Duration = Duration::from_millis(600);
const SECOND: Duration = Duration::from_secs(1);

/// One of those that share a store.
#[derive(Clone, Default)]
struct Store(Arc<Memory>, Arc<std::sync::atomic::AtomicBool>);

impl Store {
    fn is_ill(&self, ill: bool) {
        self.1.store(ill, std::sync::atomic::Ordering::SeqCst);
    }
}

impl CountStore for Store {
    async fn exchange<'a>(&'a self, told: &'a Told<'a>) -> linchpin::Result<Vec<Counts>> {
        if self.1.load(std::sync::atomic::Ordering::SeqCst) {
            std::panic::resume_unwind(Box::new("planned"));
        }
        self.0.exchange(told).await
    }
}

fn options() -> breaker::Options {
    breaker::Options::default().time_window(10 * SECOND).min_calls(10).jitter(0.0)
}

fn node(store: &Store) -> (Breaker, Fleet) {
    let breaker = Breaker::new("fleet", options()).unwrap();
    let fleet = Fleet::join(&breaker, store.clone(), Options::default()).unwrap();
    (breaker, fleet)
}

fn end(breaker: &Breaker, outcome: Outcome, times: u32) {
    for _ in 0..times {
        breaker.admit(Instant::now()).unwrap().record(outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn many_who_have_seen_little_open_together() {
    let store = Store::default();
    let nodes: Vec<(Breaker, Fleet)> = (0..5).map(|_| node(&store)).collect();
    sleep(TURN).await;
    assert!(nodes.iter().all(|(_, fleet)| fleet.numbers().nodes == 4));
    for (breaker, _) in &nodes {
        end(breaker, Outcome::Failure, 2);
        assert_eq!(breaker.state(), State::Closed);
    }
    sleep(TURN).await;
    for (breaker, fleet) in &nodes {
        assert_eq!(breaker.state(), State::Open);
        assert_eq!((fleet.numbers().calls, fleet.numbers().failures), (8, 8));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_others_see_is_weighed_and_grows_old() {
    let store = Store::default();
    let ((one, first), (two, second)) = (node(&store), node(&store));
    sleep(TURN).await;
    // Ten of thirty.
    end(&one, Outcome::Success, 20);
    end(&two, Outcome::Failure, 9);
    sleep(TURN).await;
    assert_eq!((one.state(), two.state()), (State::Closed, State::Closed));
    assert_eq!((first.numbers().failures, second.numbers().calls), (9, 20));
    // More than a word holds, so that counts leave it.
    end(&one, Outcome::Success, 2_500);
    sleep(TURN).await;
    assert_eq!(second.numbers().calls, 2_520);
    // A window after they were heard of, and the turn that sees it.
    sleep(10 * SECOND + TURN).await;
    assert_eq!((first.numbers().failures, second.numbers().calls), (0, 0));
    // And what it has seen when it opened is told, too.
    end(&one, Outcome::Failure, 10);
    assert_eq!(one.state(), State::Open);
    sleep(TURN).await;
    assert_eq!((second.numbers().failures, two.state()), (10, State::Open));
}

#[tokio::test(start_paused = true)]
async fn what_opened_it_does_not_open_it_again() {
    let store = Store::default();
    let ((one, _first), (two, second)) = (node(&store), node(&store));
    sleep(TURN).await;
    end(&one, Outcome::Failure, 5);
    end(&two, Outcome::Failure, 5);
    sleep(TURN).await;
    assert_eq!(two.state(), State::Open);
    sleep(5 * SECOND).await;
    end(&two, Outcome::Success, 2);
    assert_eq!(two.state(), State::Closed);
    sleep(TURN).await;
    assert_eq!((second.numbers().calls, two.state()), (0, State::Closed));
    end(&two, Outcome::Failure, 9);
    sleep(TURN).await;
    assert_eq!(two.state(), State::Closed, "the probes of one and what was before are not counted");
}

#[test]
fn a_store_that_fails_leaves_each_to_itself_and_each_switch_is_told_once() {
    let (store, meters) = (Store::default(), Meters::default());
    let outage = async {
        let ((one, first), (two, _second)) =
            metrics::with_local_recorder(&meters, || (node(&store), node(&store)));
        sleep(TURN).await;
        end(&one, Outcome::Failure, 4);
        store.is_ill(true);
        sleep(5 * SECOND).await;
        assert_eq!((first.numbers().away, first.numbers().switches), (true, 1));
        end(&two, Outcome::Failure, 9);
        sleep(TURN).await;
        assert_eq!((one.state(), two.state()), (State::Closed, State::Closed));
        end(&two, Outcome::Failure, 1);
        assert_eq!((one.state(), two.state()), (State::Closed, State::Open));
        sleep(11 * SECOND).await;
        store.is_ill(false);
        sleep(TURN).await;
        assert_eq!((first.numbers().away, first.numbers().nodes), (false, 1));
        assert_eq!(one.state(), State::Closed, "what it missed was too long ago");
    };
    let log = logged(|| block_on(outage)).join("\n");
    assert_eq!(log.matches("the fleet is not heard of").count(), 2, "{log}");
    assert_eq!(log.matches("the fleet is heard of again").count(), 2, "{log}");
    let shown = meters.shown("linchpin_breaker_fleet");
    assert!(shown.contains(&"_switches_total{breaker=fleet} 4".to_owned()), "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_tells_no_more_and_is_forgotten() {
    let store = Store::default();
    let ((_one, first), (_two, second)) = (node(&store), node(&store));
    sleep(TURN).await;
    assert_eq!(first.numbers().nodes, 1);
    drop(second);
    sleep(11 * SECOND).await;
    assert_eq!(first.numbers().nodes, 0);
}

#[tokio::test(start_paused = true)]
async fn only_who_counts_by_time_may_join() {
    let join = |breaker: breaker::Options, options: Options| {
        let breaker = Breaker::new("fleet", breaker).unwrap();
        Fleet::join(&breaker, Memory::default(), options).map(drop).map_err(|why| why.to_string())
    };
    let counts = join(breaker::Options::default().count_window(100), Options::default());
    assert!(counts.unwrap_err().contains("the breaker counts calls"));
    let usual = breaker::Options::default;
    assert!(join(usual(), Options::default().timeout(Duration::ZERO)).is_err());
    assert!(join(usual(), Options::default().every(Duration::ZERO)).is_err());
    assert!(join(usual(), Options::default()).is_ok());
    // One that counts calls from then on has nothing to say, and comes to no harm.
    let store = Store::default();
    let ((one, _first), (two, _second)) = (node(&store), node(&store));
    sleep(TURN).await;
    one.reconfigure(usual().count_window(100)).unwrap();
    end(&one, Outcome::Failure, 10);
    sleep(TURN).await;
    assert_eq!(two.state(), State::Closed);
}
