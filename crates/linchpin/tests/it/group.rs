//! Group: who fails, who is told, who is waited for.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::context::Cause;
use linchpin::task::{self, Group};
use linchpin::{Context, Error, Kind};

#[tokio::test(start_paused = true)]
async fn results_come_in_the_order_of_spawning() {
    let mut group = Group::new(&Context::root());
    for n in 0..5_u64 {
        group.spawn("sleeper", move |ctx| async move {
            ctx.sleep(Duration::from_secs(10 - n)).await?;
            Ok(n)
        });
    }
    assert_eq!(group.join().await.unwrap(), [0, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn the_first_real_error_ends_the_rest_with_itself_as_the_cause() {
    let seen = Arc::new(std::sync::Mutex::new(None));
    let mut group = Group::new(&Context::root());
    let told = seen.clone();
    // Spawned first, so its "cancelled" is joined first: it must not hide the error.
    group.spawn("sibling", move |ctx| async move {
        let cause = ctx.cancelled().await;
        *told.lock().unwrap() = Some(cause);
        ctx.check()?;
        Ok(())
    });
    group.spawn("failing", |ctx| async move {
        ctx.sleep(Duration::from_secs(1)).await?;
        Err(Error::new(Kind::NotFound, "no such row"))
    });
    let error = group.join().await.unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (Kind::NotFound, "no such row".to_owned()));
    let cause = seen.lock().unwrap().take();
    assert!(matches!(cause, Some(Cause::Failed(error)) if error.kind() == Kind::NotFound));
}

#[tokio::test]
async fn the_end_of_the_parent_is_reported_when_nothing_else_failed() {
    let parent = Context::root().child();
    let mut group = Group::<()>::new(&parent);
    group.spawn("waiting", |ctx| async move {
        ctx.cancelled().await;
        Ok(ctx.check()?)
    });
    parent.cancel("shop is closed");
    let error = group.join().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    assert_eq!(error.to_string(), "ended: shop is closed");
}

#[tokio::test]
async fn a_panic_is_raised_again_after_the_others_have_ended() {
    let ended = Arc::new(AtomicUsize::new(0));
    let mut group = Group::new(&Context::root());
    let count = ended.clone();
    group.spawn("sibling", move |ctx| async move {
        ctx.cancelled().await;
        tokio::task::yield_now().await;
        count.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    group.spawn("panicking", |_| async { panic!("boom") });
    let raised = AssertUnwindSafe(group.join()).catch_unwind().await.unwrap_err();
    assert_eq!(task::panic_text(raised.as_ref()), "boom");
    assert_eq!(ended.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_limit_holds() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut group = Group::new(&Context::root()).limit(3);
    for _ in 0..20 {
        let (running, most) = (running.clone(), most.clone());
        group.spawn("limited", move |ctx| async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            ctx.sleep(Duration::from_secs(1)).await?;
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        });
    }
    group.join().await.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn dropping_the_group_leaves_no_task() {
    let (hold, held) = tokio::sync::oneshot::channel::<()>();
    let mut group = Group::<()>::new(&Context::root());
    group.spawn("left", move |_| async move {
        let _hold = hold;
        std::future::pending().await
    });
    drop(group);
    assert!(held.await.is_err());
}

#[tokio::test]
async fn an_empty_group_is_done() {
    assert!(Group::<u8>::new(&Context::root()).join().await.unwrap().is_empty());
}
