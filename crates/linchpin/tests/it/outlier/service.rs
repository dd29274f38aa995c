//! A balancer as a tower service: readiness, refusals, drops.

use std::fmt;
use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context as Poller, Poll};

use futures_util::FutureExt as _;
use linchpin::resilience::FailedKind;
use linchpin::resilience::outlier::Balancer;
use tower_service::Service;

use super::exact;
use crate::callee::is_ready;

/// Answers with its name; may be slow to get ready, or fail to.
#[derive(Clone, Debug)]
struct Host {
    name: &'static str,
    readies: u8,
    sick: bool,
    is_ready: bool,
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Host {}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Service<Option<bool>> for Host {
    type Response = &'static str;
    type Error = &'static str;
    type Future = Ready<Result<&'static str, &'static str>>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), &'static str>> {
        if self.sick {
            return Poll::Ready(Err("never ready"));
        }
        if self.readies > 0 {
            self.readies -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, answer: Option<bool>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without having been ready");
        match answer {
            Some(true) => ready(Ok(self.name)),
            Some(false) => ready(Err("sick")),
            None => panic!("boom"),
        }
    }
}

fn host(name: &'static str) -> Host {
    Host { name, readies: 0, sick: false, is_ready: false }
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_its_target_and_counts_for_it() {
    let slow = Host { readies: 2, ..host("slow") };
    let hosts = Balancer::new("test", [slow], exact()).unwrap();
    let mut service = hosts.service();
    assert!(is_ready(&mut service));
    assert_eq!(service.call(Some(true)).await.unwrap(), "slow");
    let failed = service.clone().call(Some(false)).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee("sick")));
    let target = &hosts.targets()[0];
    assert_eq!((target.calls, target.successes, target.under_way), (2, 1, 0));
    // Dropped while it waits, and while it is called: nothing is left.
    let mut waits = service.call(Some(true));
    assert!((&mut waits).now_or_never().is_none());
    assert_eq!(hosts.numbers().under_way, 1);
    drop(waits);
    assert_eq!(hosts.numbers().under_way, 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_get_ready_or_panics_is_a_failure_of_its_target() {
    let sick = Host { sick: true, ..host("sick") };
    let hosts = Balancer::new("test", [sick], exact()).unwrap();
    let failed = hosts.service().call(Some(true)).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee("never ready")));
    assert_eq!(hosts.targets()[0].consecutive_failures, 1);
    hosts.replace([host("a")]);
    let mut call = hosts.service().call(None);
    let raised = catch_unwind(AssertUnwindSafe(|| (&mut call).now_or_never().map(drop)));
    assert!(raised.is_err());
    drop(call);
    let target = &hosts.targets()[0];
    assert_eq!((target.under_way, target.consecutive_failures), (0, 1));
    hosts.replace([]);
    assert!(is_ready(&mut hosts.service()), "no target is no failed readiness");
    let failed = hosts.service().call(Some(true)).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Refused(_)));
}
