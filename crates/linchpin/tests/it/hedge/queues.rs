//! Time in a queue on this side is none of an attempt's.

use std::task::{Context as Poller, Waker};

use linchpin::resilience::bulkhead::{self, Bulkhead};
use linchpin::resilience::hedge::Options;
use linchpin::resilience::limiter::{self, Limiter, Rate};
use linchpin::time::Instant;
use tower_layer::Layer as _;
use tower_service::Service as _;

use super::layer::Callee;
use super::{MS, ROOT, SECOND, ample, hedge};

fn crowded() -> Bulkhead {
    let options = bulkhead::Options::default().max_queue(8).max_wait(60 * SECOND);
    Bulkhead::new("place", 1, options).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_place_is_no_sample() {
    let (hedge, places) = (hedge(Options::default()), crowded());
    for _ in 0..100 {
        let taken = places.enter(&ROOT).await.unwrap();
        let call = hedge.call(&ROOT, |_| async {
            let _place = places.enter(&ROOT).await.map_err(drop)?;
            tokio::time::sleep(10 * MS).await;
            Ok::<_, ()>(())
        });
        let leaves = async {
            tokio::time::sleep(50 * MS).await;
            drop(taken);
        };
        let (answer, ()) = tokio::join!(call, leaves);
        answer.unwrap();
    }
    assert_eq!(hedge.numbers().delay, Some(10 * MS));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_turn_is_no_sample() {
    let hedge = hedge(Options::default());
    let turns = Limiter::new("turn", Rate::per_second(10), limiter::Options::default()).unwrap();
    let start = Instant::now();
    for _ in 0..110 {
        let call = hedge.call(&ROOT, |_| async {
            turns.acquire(&ROOT, 1).await.map_err(drop)?;
            tokio::time::sleep(10 * MS).await;
            Ok::<_, ()>(())
        });
        call.await.unwrap();
    }
    assert!(start.elapsed() > 9 * SECOND, "they have waited");
    assert_eq!(hedge.numbers().delay, Some(10 * MS));
}

/// When attempts begin to queue, if the first has a place after `waits` and then takes 400 ms; the delay is 500 ms.
async fn begun(waits: u32) -> Vec<u128> {
    let (hedge, places, start) = (hedge(ample()), crowded(), Instant::now());
    let (taken, mut begun) = (places.enter(&ROOT).await.unwrap(), Vec::new());
    let call = hedge.call(&ROOT, |_| {
        begun.push(start.elapsed().as_millis());
        async {
            let _place = places.enter(&ROOT).await.map_err(drop)?;
            tokio::time::sleep(400 * MS).await;
            Ok::<_, ()>(())
        }
    });
    let leaves = async {
        tokio::time::sleep(waits * MS).await;
        drop(taken);
    };
    let (answer, ()) = tokio::join!(call, leaves);
    answer.unwrap();
    begun
}

#[tokio::test(start_paused = true)]
async fn the_next_is_due_a_delay_after_the_one_before_has_left_its_queue() {
    assert_eq!(begun(300).await, [0], "400 ms with the callee is not slow");
    assert_eq!(begun(600).await, [0, 500], "whoever still queues then is");
}

#[tokio::test(start_paused = true)]
async fn the_readiness_of_a_further_attempt_is_no_sample() {
    let options = Options::default().idempotent().quantile(0.6).max_extra_load(10.0);
    let hedge = hedge(options).classified(crate::retry::cases::ByStatus);
    let send = async |callee: Callee| {
        let mut service = hedge.layer().layer(callee);
        assert!(service.poll_ready(&mut Poller::from_waker(Waker::noop())).is_ready());
        service.call("GET").await.unwrap();
    };
    for _ in 0..100 {
        send(Callee::new(&[(10, 200)])).await;
    }
    for _ in 0..50 {
        let mut callee = Callee::new(&[(9_000, 200), (10, 200)]);
        callee.readies_in = SECOND;
        send(callee).await;
    }
    // 50 that lost after a second, and 150 of ten milliseconds.
    assert_eq!((hedge.numbers().won, hedge.numbers().delay), (50, Some(10 * MS)));
}
