//! Rows `coalesce*`: a call that is made once for all who make it at the same time, as a policy.
//!
//! A policy is our single flight with metrics, and as a layer it has a clone of the service: the single flight alone is the
//! floor. The peers are single flights, too, without metrics or layers; more of them stand in the rows `single-flight*` of the
//! area `sync`.

use std::hint::black_box;

use futures_util::future::join_all;
use linchpin::Context;
use linchpin::resilience::coalesce::Coalesce;
use linchpin::sync::singleflight::Options;
use tower::{Layer as _, Service, service_fn};

use crate::harness::Operation;
use crate::resilience_stack::ready_for;
use crate::row::Role::{Floor, Ours, Peer};
use crate::sync_singleflight::{
    ASYNC_SINGLEFLIGHT, CROWD, UNIFLIGHT, Value, flown, flown_by_a_crowd, led, merged, work,
};

const LINCHPIN: &str = "linchpin";
const LAYER: &str = "linchpin, as a layer";
const ALONE: &str = "our single flight alone";

/// Every row of coalescing: calls that nobody shares, and crowds that share one.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new("coalesce")
            .ct(Ours, LINCHPIN, called)
            .ct(Ours, LAYER, |operations| async move {
                let mut service = layered(false);
                for key in 0..operations {
                    ready_for(&mut service);
                    drop(black_box(service.call(key).await));
                }
            })
            .ct(Peer, UNIFLIGHT, |operations| merged(operations, false))
            .ct(Peer, ASYNC_SINGLEFLIGHT, |operations| led(operations, false))
            .ct(Floor, ALONE, |operations| flown(operations, false)),
        Operation::new("coalesce-100")
            .ct(Ours, LINCHPIN, called_by_a_crowd)
            .ct(Ours, LAYER, |operations| async move {
                let mut service = layered(true);
                for _ in 0..operations.div_ceil(CROWD as u64) {
                    ready_for(&mut service);
                    drop(black_box(join_all((0..CROWD).map(|_| service.call(1))).await));
                }
            })
            .ct(Floor, ALONE, |operations| flown_by_a_crowd(operations, Context::root())),
    ]
}

fn coalesce() -> Coalesce<u64, Value, ()> {
    Coalesce::new("bench", Options::default()).expect("the defaults are good")
}

async fn called(operations: u64) {
    let (ctx, coalesce, value) = (Context::root(), coalesce(), Value::new(1));
    for key in 0..operations {
        drop(black_box(coalesce.call(&ctx, key, |_| work(value.clone(), false)).await));
    }
}

async fn called_by_a_crowd(operations: u64) {
    let (ctx, coalesce, value) = (Context::root(), coalesce(), Value::new(1));
    for _ in 0..operations.div_ceil(CROWD as u64) {
        let call = |_| coalesce.call(&ctx, 1, |_| work(value.clone(), true));
        drop(black_box(join_all((0..CROWD).map(call)).await));
    }
}

/// Whose work waits, or not.
fn layered(waits: bool) -> impl Service<u64, Response = Value, Future: Send> {
    let value = Value::new(1);
    let service = service_fn(move |_: u64| work(value.clone(), waits));
    coalesce().layer(|key: &u64| Some(*key)).layer(service)
}
