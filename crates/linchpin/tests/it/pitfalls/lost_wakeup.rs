//! Lost wake-up: a task looks, finds nothing, and the news comes before it has left its waker.
//!
//! Between the look and the leaving there is nothing to see, and in a test nothing ever comes there. Loom goes through
//! all interleavings: `src/model/pitfall.rs` has this very flag, and must find the mistake. Here the news is put there
//! by hand.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use futures_util::FutureExt as _;
use linchpin::sync::Mutex;
use linchpin::task::panic_text;
use linchpin_testing::steps::{drop_at_each, poll_by_hand};

/// A flag that one task waits for.
#[derive(Default)]
struct Flag {
    up: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Flag {
    fn raise(&self) {
        self.up.store(true, Ordering::SeqCst);
        let waker = self.waker.lock().take();
        waker.into_iter().for_each(Waker::wake);
    }

    /// The mistake: it looks, and leaves its waker afterwards. `between` is what another thread does meanwhile.
    async fn wait_hastily(&self, between: impl Fn()) {
        poll_fn(|cx| {
            if self.up.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
            between();
            *self.waker.lock() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Mended: it leaves its waker, and looks afterwards. Who raises it in between is seen, or wakes it.
    async fn wait(&self, between: impl Fn()) {
        poll_fn(|cx| {
            *self.waker.lock() = Some(cx.waker().clone());
            between();
            if self.up.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_before_the_waker_is_left_loses_the_wake_up_and_the_harness_tells() {
    // The program that fails: the flag is up, the task sleeps, and nobody will wake it.
    let flag = Flag::default();
    let mut waiting = poll_by_hand(flag.wait_hastily(|| flag.raise()));
    assert!(waiting.poll().is_pending());
    assert!(flag.up.load(Ordering::SeqCst) && !waiting.is_woken(), "it sleeps for ever");

    // The tool: a future that is pending must be woken.
    let hasty = async |flag: &Flag| flag.wait_hastily(|| flag.raise()).await;
    let told = AssertUnwindSafe(drop_at_each(async || Flag::default(), hasty, async |_| {}));
    let told = told.catch_unwind().await.unwrap_err();
    assert!(panic_text(&*told).contains("never woken"), "{}", panic_text(&*told));
}

#[tokio::test(start_paused = true)]
async fn a_look_after_the_waker_is_left_loses_nothing() {
    let flag = Flag::default();
    assert!(poll_by_hand(flag.wait(|| flag.raise())).poll().is_ready());
    // Raised later it wakes.
    let flag = Flag::default();
    let mut waiting = poll_by_hand(flag.wait(|| ()));
    assert!(waiting.poll().is_pending());
    flag.raise();
    assert!(waiting.is_woken() && waiting.poll().is_ready());
}
