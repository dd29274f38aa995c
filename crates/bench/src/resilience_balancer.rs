//! Rows `balancer*`: a call that is given one of ten targets.
//!
//! Ours counts outcomes, ejects who fails, and may be used by many threads at once. tower's balancer counts what is pending
//! and lets one task call; as a service it is compared with ours as one.

use std::future::{Ready, ready};
use std::hint::black_box;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use linchpin::Context;
use linchpin::resilience::Outcome;
use linchpin::resilience::outlier::{Balancer, Options};
use linchpin::resilience::retry::Tried;
use linchpin::time::Instant;
use tower::balance::p2c::Balance;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PeakEwmaDiscover, PendingRequestsDiscover};
use tower::{Service, ServiceExt as _};

use crate::harness::Operation;
use crate::row::Role::{Ours, Peer};

const LEAST: &str = "linchpin, least loaded";
const PEAK: &str = "linchpin, peak EWMA";
const SICK: &str = "linchpin, one of ten ejected";
const TEN: std::ops::Range<u16> = 0..10;
const DECAY: Duration = Duration::from_secs(10);

/// Every row of balancers.
pub fn operations() -> Vec<Operation> {
    vec![
        picks("balancer", None),
        picks("balancer-t2", Some(2)),
        picks("balancer-t8", Some(8)),
        retried(),
        called(),
    ]
}

fn picks(name: &'static str, threads: Option<usize>) -> Operation {
    let subject = |hosts: Balancer<u16>| {
        move || {
            let picked = black_box(&hosts).draw(Instant::now()).expect("there are ten");
            black_box(**picked);
            picked.record(Outcome::Success);
        }
    };
    let sick = hosts(usual());
    eject_one(&sick);
    let (least, peak, sick) =
        (subject(hosts(usual())), subject(hosts(usual().peak_ewma(DECAY))), subject(sick));
    let operation = Operation::new(name);
    match threads {
        None => operation.sync(Ours, LEAST, least).sync(Ours, PEAK, peak).sync(Ours, SICK, sick),
        Some(threads) => {
            operation.threads(threads, Ours, LEAST, least).threads(threads, Ours, PEAK, peak)
        }
    }
}

/// A call and a second attempt, which goes elsewhere.
fn retried() -> Operation {
    let hosts = hosts(usual());
    Operation::new("balancer-retried").sync(Ours, LEAST, move || {
        let tried = Tried::default();
        for outcome in [Outcome::Failure, Outcome::Success] {
            let picked = black_box(&hosts).pick(Instant::now(), chance(), &tried).expect("ten");
            picked.record(outcome);
        }
    })
}

fn called() -> Operation {
    Operation::new("balancer-async")
        .ct(Ours, LEAST, |operations| async move {
            let (hosts, ctx) = (hosts(usual()), Context::root());
            for _ in 0..operations {
                let tried = Tried::default();
                let call = hosts.call(&ctx, &tried, |host| ready(Ok::<_, Sick>(*host)));
                black_box(call.await.is_ok());
            }
        })
        .ct(Ours, "linchpin, as a service, least loaded", |operations| {
            asked(operations, services(usual()).service())
        })
        .ct(Ours, "linchpin, as a service, peak EWMA", |operations| {
            asked(operations, services(usual().peak_ewma(DECAY)).service())
        })
        .ct(Peer, "tower, as a service, pending requests", |operations| {
            let list = ServiceList::new::<()>(TEN.map(Host));
            let hosts = PendingRequestsDiscover::new::<()>(list, CompleteOnResponse::default());
            asked(operations, Balance::new(hosts))
        })
        .ct(Peer, "tower, as a service, peak EWMA", |operations| {
            let list = ServiceList::new::<()>(TEN.map(Host));
            let first = Duration::from_millis(1);
            let hosts =
                PeakEwmaDiscover::new::<()>(list, first, DECAY, CompleteOnResponse::default());
            asked(operations, Balance::new(hosts))
        })
}

#[derive(Clone, Copy, Debug)]
struct Sick;

impl std::fmt::Display for Sick {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sick")
    }
}

impl std::error::Error for Sick {}

/// A target that is a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Host(u16);

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Service<()> for Host {
    type Response = u16;
    type Error = Sick;
    type Future = Ready<Result<u16, Sick>>;

    fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), Sick>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(black_box(self.0)))
    }
}

async fn asked<S: Service<(), Response = u16>>(operations: u64, mut service: S) {
    for _ in 0..operations {
        let Ok(ready) = service.ready().await else { panic!("it gets ready") };
        black_box(ready.call(()).await.is_ok());
    }
}

fn eject_one(hosts: &Balancer<u16>) {
    while hosts.numbers().ejected == 0 {
        let picked = hosts.draw(Instant::now()).expect("there are ten");
        let outcome = if **picked == 0 { Outcome::Failure } else { Outcome::Success };
        picked.record(outcome);
    }
}

fn chance() -> f64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    (next >> 11) as f64 / (1_u64 << 53) as f64
}

fn usual() -> Options {
    // Nobody is ejected while it is measured, and an ejected one stays so.
    let hour = Duration::from_hours(1);
    Options::default().interval(hour).ejection_time(hour, hour)
}

fn hosts(options: Options) -> Balancer<u16> {
    Balancer::new("bench", TEN, options).expect("options that fit")
}

fn services(options: Options) -> Balancer<Host> {
    Balancer::new("bench", TEN.map(Host), options).expect("options that fit")
}
