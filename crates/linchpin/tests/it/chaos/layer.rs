//! Chaos as a layer of tower: it waits for a service that was ready, and its error is the service's own.

use std::future::ready;

use futures_util::FutureExt as _;
use linchpin::resilience::chaos::{Chaos, Injected};
use linchpin::time::Instant;
use linchpin::{Context, Error};
use tower_layer::Layer as _;
use tower_service::Service;

use super::{SECOND, chaos, draws, faults, scripted};
use crate::callee::{Callee, Said, callee, is_ready};

fn obedient() -> Callee<impl Fn(u8) -> Said<u8, Error> + Clone, Error> {
    callee(|request: u8| ready(Ok(request)))
}

async fn ask(chaos: &Chaos<u8, Error>, request: u8) -> Result<u8, Error> {
    // Requests above a hundred are those of a test.
    let context = |request: &u8| Context::root().with_value(*request > 100);
    let mut service = chaos.layer(context).layer(obedient());
    for _ in 0..2 {
        // Each handle gets ready for itself.
        let mut clone = service.clone();
        assert!(is_ready(&mut service) && is_ready(&mut clone));
        clone.call(request).await.ok();
    }
    assert!(is_ready(&mut service));
    service.call(request).await
}

#[tokio::test(start_paused = true)]
async fn requests_on_the_list_are_answered_fail_or_wait() {
    let listed = |options| {
        let chaos = Chaos::new("test", |ctx| ctx.get::<bool>() == Some(&true), options).unwrap();
        chaos.enable(SECOND * 60).unwrap();
        chaos
    };
    draws(0.0);
    let failing = listed(faults(1.0));
    assert_eq!(ask(&failing, 1).await.unwrap(), 1);
    assert!(ask(&failing, 101).await.unwrap_err().find::<Injected>().is_some());
    let lying = listed(scripted().outcome(1.0, |_| 9));
    assert_eq!((ask(&lying, 1).await.unwrap(), ask(&lying, 101).await.unwrap()), (1, 9));
    let cutting = listed(scripted().cut(1.0, |answer, _| Ok(answer / 2)));
    assert_eq!((ask(&cutting, 2).await.unwrap(), ask(&cutting, 102).await.unwrap()), (2, 51));
    let off = Chaos::off();
    assert_eq!(ask(&off, 101).await.unwrap(), 101);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_waits_calls_the_service_that_was_ready_or_is_dropped() {
    let slow = chaos(scripted().latency(1.0, SECOND));
    draws(0.0);
    let mut service = slow.layer(|_: &u8| Context::root()).layer(obedient());
    assert!(is_ready(&mut service));
    let began = Instant::now();
    let mut response = service.call(7);
    assert!((&mut response).now_or_never().is_none());
    assert_eq!((response.await.unwrap(), began.elapsed()), (7, SECOND));
    assert!(is_ready(&mut service));
    let mut dropped = service.call(7);
    assert!((&mut dropped).now_or_never().is_none());
    drop(dropped);
    assert_eq!(slow.numbers().latencies, 2);
}
