//! The step-and-drop harness: what it lets pass, and the planted faults it must report.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::task::{self, Task};
use linchpin_testing::leak::Check;
use linchpin_testing::steps::{self, Options, poll_by_hand};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

async fn one_permit() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(1))
}

async fn it_is_back(permits: &Arc<Semaphore>) {
    assert_eq!(permits.available_permits(), 1);
}

/// What the harness says about a future that is at fault.
async fn complaint<T>(work: impl AsyncFn(&Arc<Semaphore>) -> T) -> String {
    failure(steps::drop_at_each(one_permit, work, it_is_back)).await
}

async fn failure(run: impl Future<Output = steps::Report>) -> String {
    let panic = AssertUnwindSafe(run).catch_unwind().await.expect_err("the fault was noticed");
    task::panic_text(panic.as_ref()).to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_future_that_gives_everything_back_passes_at_every_point() {
    let work = async |permits: &Arc<Semaphore>| {
        let _permit = permits.acquire().await;
        sleep(SECOND).await;
        tokio::task::yield_now().await;
    };
    let report = steps::drop_at_each(one_permit, work, it_is_back).await;
    assert_eq!(report.steps, 3);
    // Never polled, pending and woken at two steps, done. A restless caller alike: its second poll does not end the
    // sleep, but it ends the yield in the step that begins it.
    assert_eq!(report.drops, 6 + 4);
}

#[tokio::test(start_paused = true)]
async fn a_permit_leaked_by_a_drop_at_the_second_step_is_reported() {
    let complaint = complaint(async |permits| {
        let permit = permits.acquire().await.unwrap();
        sleep(SECOND).await;
        permit.forget();
        sleep(SECOND).await;
        permits.add_permits(1);
    })
    .await;
    assert!(complaint.contains("steps.rs"), "{complaint}");
    assert!(complaint.contains("left by a future dropped after step 2:"), "{complaint}");
}

#[tokio::test(start_paused = true)]
async fn a_permit_lost_on_its_way_to_a_woken_future_is_reported() {
    /// Hands the permit over after a second; it cannot tell that a message was sent and not received.
    struct World {
        permits: Arc<Semaphore>,
        receiver: RefCell<Option<oneshot::Receiver<()>>>,
        _sender: Task<()>,
    }
    let world = async || {
        let permits = one_permit().await;
        let (send, receive) = oneshot::channel();
        let from = permits.clone();
        let sender = task::spawn("hand-over", async move {
            sleep(SECOND).await;
            let permit = from.acquire().await.unwrap();
            if send.send(()).is_ok() {
                permit.forget();
            }
        });
        World { permits, receiver: RefCell::new(Some(receive)), _sender: sender }
    };
    let work = async |world: &World| {
        let receiver = world.receiver.take().unwrap();
        receiver.await.unwrap();
        world.permits.add_permits(1);
    };
    let left = async |world: &World| it_is_back(&world.permits).await;
    let complaint = failure(steps::drop_at_each(world, work, left)).await;
    assert!(complaint.contains("dropped when woken after step 1:"), "{complaint}");
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_never_woken_is_reported() {
    let complaint = complaint(async |_| pending::<()>().await).await;
    assert!(complaint.contains("never woken, 60s after step 1"), "{complaint}");
}

#[tokio::test(start_paused = true)]
async fn a_future_that_keeps_its_first_waker_is_reported() {
    let complaint = complaint(async |_| {
        let mut timer = None;
        poll_fn(|cx| {
            // Every later poll is answered without a look at its waker.
            let waker = cx.waker().clone();
            let timer = timer.get_or_insert_with(|| {
                task::spawn("timer", async move {
                    sleep(SECOND).await;
                    waker.wake();
                })
            });
            if timer.is_finished() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    })
    .await;
    assert!(complaint.contains("woken only through an earlier waker"), "{complaint}");
}

#[tokio::test(start_paused = true)]
async fn a_future_that_takes_an_unasked_poll_for_news_is_reported() {
    let complaint = complaint(async |_| {
        let mut timer = Box::pin(sleep(SECOND));
        let mut polled = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut polled, true) {
                assert!(timer.is_elapsed(), "nobody else would poll");
            }
            timer.as_mut().poll(cx)
        })
        .await;
    })
    .await;
    assert!(complaint.contains("panicked in step 1: nobody else would poll"), "{complaint}");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_left_is_reported() {
    let work = async |_: &Check| {
        sleep(SECOND).await;
        // Forgotten and not dropped: a dropped task ends.
        std::mem::forget(task::spawn("left", pending::<()>()));
    };
    let world = async || Check::new().only(["left"]);
    let complaint = failure(steps::drop_at_each(world, work, Check::assert_none)).await;
    assert!(
        complaint.contains("done after step 2: 1 tasks are left:\n  `left` from"),
        "{complaint}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_with_its_owner_passes() {
    let work = async |_: &Check| {
        let inner = task::spawn("owner", async {
            task::spawn("owned", sleep(SECOND)).join().await;
        });
        inner.join().await;
    };
    let world = async || Check::new().only(["owner", "owned"]);
    let left = async |check: &Check| assert!(check.leaked().is_empty());
    let report = steps::drop_at_each(world, work, left).await;
    assert_eq!(report.steps, 2);
}

#[tokio::test(start_paused = true)]
async fn a_future_without_an_end_is_followed_as_far_as_asked() {
    async fn endless(_: &Arc<Semaphore>) {
        loop {
            sleep(SECOND).await;
        }
    }
    let complaint = complaint(endless).await;
    assert!(complaint.contains("not done after 100 steps"), "{complaint}");

    let first = Options::default().first(5);
    let report = first.drop_at_each(one_permit, endless, it_is_back).await;
    assert_eq!(report.steps, 5);
}

#[test]
fn a_poller_counts_wakes_and_knows_the_waker_that_counts() {
    let (send, receive) = oneshot::channel::<()>();
    let mut future = poll_by_hand(receive);
    assert!(future.poll().is_pending());
    assert!(future.poll_elsewhere().is_pending());
    assert!(!future.is_woken());
    drop(send);
    assert!(future.is_woken());
    assert_eq!((future.wakes(), future.stale_wakes()), (1, 0));
    assert!(future.poll().is_ready());
}
