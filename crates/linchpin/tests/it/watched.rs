//! A value that is watched: what a viewer has, what it waits for, and what it does not hold up.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::sync::channel::RecvError;
use linchpin::sync::watched::Watched;
use linchpin::task;
use linchpin_testing::steps::{self, poll_by_hand};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_viewer_has_the_latest_when_it_looks_and_is_told_that_there_is_one() {
    let watched = Watched::new(1);
    let mut viewer = watched.viewer();
    assert!(!viewer.has_changed() && **viewer.get() == 1);
    assert_eq!(*watched.set(2), 1);
    assert_eq!(*watched.set(3), 2);
    assert!(viewer.has_changed() && **viewer.seen() == 1);
    assert_eq!((**viewer.get(), viewer.has_changed()), (3, false));
    assert_eq!(*watched.get(), 3);
}

#[test]
fn a_change_wakes_all_who_wait_and_the_latest_is_what_they_see() {
    let (ctx, watched) = (Context::root(), Watched::new(0));
    let mut viewers: Vec<_> = (0..3).map(|_| watched.viewer()).collect();
    let mut waits: Vec<_> =
        viewers.iter_mut().map(|viewer| poll_by_hand(viewer.changed(&ctx))).collect();
    assert!(waits.iter_mut().all(|wait| wait.poll().is_pending()));
    watched.set(1);
    watched.set(2);
    for wait in &mut waits {
        assert!(wait.wakes() > 0);
        assert!(matches!(wait.poll(), Poll::Ready(Ok(value)) if **value == 2));
    }
    drop(waits);
    assert!(viewers.iter_mut().all(|viewer| viewer.changed(&ctx).now_or_never().is_none()));
}

#[test]
fn what_is_in_hand_holds_nobody_up() {
    let watched = Watched::new(vec![1]);
    let mut viewer = watched.viewer();
    let kept = viewer.get().clone();
    watched.set(vec![2]);
    assert_eq!((&*kept, &**viewer.get()), (&vec![1], &vec![2]));
}

#[test]
fn an_update_that_gives_nothing_or_panics_changes_nothing() {
    let watched = Watched::new(5);
    let viewer = watched.viewer();
    assert!(!watched.update(|_| None) && !viewer.has_changed());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        watched.update(|_| panic!("boom"))
    }));
    assert!(panicked.is_err() && !viewer.has_changed());
    assert!(watched.update(|value| Some(value + 1)) && viewer.has_changed());
    assert_eq!(*watched.get(), 6);
}

#[test]
fn a_modified_copy_is_a_new_value_and_one_that_panics_is_none() {
    let watched = Watched::new(vec![1]);
    let mut viewer = watched.viewer();
    let before = viewer.get().clone();
    watched.modify(|list| list.push(2));
    assert!(viewer.has_changed());
    assert_eq!(
        (&**viewer.get(), &*before),
        (&vec![1, 2], &vec![1]),
        "what is seen does not change"
    );
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        watched.modify(|list| {
            list.clear();
            panic!("boom")
        });
    }));
    assert!(panicked.is_err() && !viewer.has_changed());
    assert_eq!(*watched.get(), [1, 2]);
}

#[test]
fn the_last_who_can_set_it_closes_and_what_was_not_seen_is_still_there() {
    let (ctx, watched) = (Context::root(), Watched::new(1));
    let (mut viewer, mut waiting, other) = (watched.viewer(), watched.viewer(), watched.clone());
    let mut wait = poll_by_hand(waiting.changed(&ctx));
    assert!(wait.poll().is_pending());
    drop(watched);
    assert_eq!(wait.wakes(), 0, "there is a clone");
    drop(other);
    assert!(matches!(wait.poll(), Poll::Ready(Err(RecvError::Closed))));
    assert!(matches!(viewer.changed(&ctx).now_or_never(), Some(Err(RecvError::Closed))));
    assert_eq!(**viewer.get(), 1);

    let watched = Watched::new(1);
    let mut viewer = watched.viewer();
    watched.set(2);
    drop(watched);
    assert!(matches!(viewer.changed(&ctx).now_or_never(), Some(Ok(value)) if **value == 2));
    assert!(viewer.wait_for(&ctx, |value| *value == 2).now_or_never().unwrap().is_ok());
    assert!(viewer.wait_for(&ctx, |value| *value == 3).now_or_never().unwrap().is_err());
}

#[test]
fn under_a_context_that_has_ended_nothing_is_seen() {
    let (ctx, watched) = (Context::root().child(), Watched::new(1));
    let mut viewer = watched.viewer();
    watched.set(2);
    ctx.cancel("over");
    assert!(matches!(viewer.changed(&ctx).now_or_never(), Some(Err(RecvError::Ended(_)))));
    assert!(viewer.has_changed());
}

#[test]
fn a_value_that_is_dropped_may_come_back_to_where_it_was() {
    /// Sets the value that it was part of.
    struct Again(Option<Watched<Again>>);
    impl Drop for Again {
        fn drop(&mut self) {
            if let Some(watched) = self.0.take() {
                watched.set(Self(None));
            }
        }
    }
    let watched = Watched::new(Again(None));
    watched.set(Again(Some(watched.clone())));
    drop(watched.set(Again(None)));
    assert!(watched.get().0.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_value_may_be_dropped_anywhere() {
    type World = (Watched<u8>, task::Task<()>);
    let world = async || {
        let watched = Watched::new(0);
        let setter = watched.clone();
        let task = task::spawn("setter", async move {
            for value in 1..=4 {
                tokio::time::sleep(SECOND).await;
                setter.set(value);
            }
        });
        (watched, task)
    };
    let work = async |(watched, _): &World| {
        let (ctx, mut viewer) = (Context::root().with_timeout(10 * SECOND), watched.viewer());
        viewer.changed(&ctx).await.unwrap();
        viewer.wait_for(&ctx, |value| *value == 3).await.unwrap();
        viewer.changed(&ctx).await.unwrap();
    };
    let left = async |(watched, task): &World| {
        while !task.is_finished() {
            tokio::time::sleep(SECOND).await;
        }
        // This one, and the one inside: no viewer is left.
        let last = watched.get();
        assert_eq!((*last, Arc::strong_count(&last)), (4, 2));
    };
    assert!(steps::drop_at_each(world, work, left).await.steps > 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_a_viewer_sees_values_in_order_and_the_last() {
    const LAST: usize = 5_000;
    let watched = Watched::new(0);
    let viewers: Vec<_> = (0..4)
        .map(|_| {
            let mut viewer = watched.viewer();
            task::spawn("viewer", async move {
                let ctx = Context::root().with_timeout(60 * SECOND);
                let mut before = 0;
                while before < LAST {
                    let value = **viewer.changed(&ctx).await.unwrap();
                    assert!(value > before);
                    before = value;
                }
            })
        })
        .collect();
    for value in 1..=LAST {
        watched.set(value);
        if value % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for viewer in viewers {
        viewer.join().await;
    }
}
