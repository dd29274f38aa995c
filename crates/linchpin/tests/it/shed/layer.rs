//! The shedder as a layer of tower: readiness, refusals, drops.

use futures_util::FutureExt as _;
use linchpin::resilience::shed::{Load, Shedder};
use linchpin::resilience::{FailedKind, Priority};
use tower_layer::Layer as _;
use tower_service::Service;

use super::{options, shedder};
use crate::callee::{echo, is_ready};

#[tokio::test(start_paused = true)]
async fn a_shedding_service_is_ready_and_refuses_in_the_call() {
    let load = Load::given();
    let shedder =
        Shedder::new("test", options(&load).window(Priority::Critical, 0.1, 0.2)).unwrap();
    let mut service = shedder.layer().layer(echo());
    assert!(is_ready(&mut service));
    assert_eq!(service.call(Ok(7)).await.unwrap(), 7);
    assert!(is_ready(&mut service));
    let failed = service.call(Err("broken")).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee("broken")));

    load.set(0.5);
    assert!(is_ready(&mut service));
    let failed = service.call(Ok(7)).now_or_never().unwrap().unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Refused(_)));
    load.set(0.0);
    assert_eq!(service.call(Ok(7)).await.unwrap(), 7, "it was ready still");
}

#[tokio::test(start_paused = true)]
async fn a_shed_response_that_is_dropped_is_under_way_no_more() {
    let shedder = shedder(&Load::given());
    let mut service = shedder.layer().layer(echo());
    assert!(is_ready(&mut service));
    let response = service.call(Ok(1));
    assert_eq!(shedder.numbers().inflight, 1);
    drop(response);
    assert_eq!(shedder.numbers().inflight, 0);
}
