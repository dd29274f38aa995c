//! Group: who fails, who is told, who is waited for.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::context::Cause;
use linchpin::task::{self, Group};
use linchpin::{Context, Error, Kind};

use crate::panic::logged;

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
async fn a_time_limit_of_its_own_is_a_failure_like_any_other() {
    let mut group = Group::<()>::new(&Context::root());
    group.spawn("in a hurry", |ctx| async move {
        let own = ctx.with_timeout(Duration::from_secs(1));
        own.sleep(Duration::from_secs(2)).await?;
        Ok(())
    });
    group.spawn("sibling", |ctx| async move {
        ctx.cancelled().await;
        Err(Error::new(Kind::Aborted, "told by a sibling"))
    });
    let error = group.join().await.unwrap_err();
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
}

#[tokio::test]
async fn what_is_spawned_after_the_failure_never_begins() {
    let mut group = Group::new(&Context::root());
    group.spawn("failing", |_| async { Err(Error::new(Kind::NotFound, "first")) });
    group.context().clone().cancelled().await;
    group.spawn("late", |_| async { panic!("it began") });
    group.spawn_blocking("late", |_| panic!("it began"));
    let fork = group.fork("late", |_| async { Ok(7) });
    let error = fork.join().await.unwrap_err();
    assert_eq!(error.to_string(), "ended: a sibling failed: first");
    let refused = group.try_spawn("late", |_| async { Ok(()) }).unwrap_err();
    assert_eq!(refused.to_string(), "not spawned: the group has ended: a sibling failed: first");
    assert_eq!(group.join().await.unwrap_err().to_string(), "first");
}

#[tokio::test]
async fn going_on_means_that_every_error_is_told_and_nobody_is_ended() {
    let mut group = Group::new(&Context::root()).keep_going();
    for n in 0..4 {
        group.spawn("odd ones fail", move |ctx| async move {
            for _ in 0..n {
                tokio::task::yield_now().await;
            }
            ctx.check()?;
            if n % 2 == 1 { Err(Error::new(Kind::Internal, format!("no {n}"))) } else { Ok(n) }
        });
    }
    let error = group.join().await.unwrap_err();
    let texts: Vec<String> = error.joined().iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["no 1", "no 3"]);
}

#[tokio::test]
async fn settling_gives_each_task_its_own_result() {
    let spawn_all = |mut group: Group<u32>| {
        group.spawn("fine", |_| async { Ok(1) });
        group.spawn("failing", |_| async { Err(Error::new(Kind::NotFound, "no such row")) });
        group.spawn("waiting", |ctx| async move {
            ctx.run(tokio::task::yield_now()).await?;
            Ok(3)
        });
        group.settle()
    };
    let texts = |results: Vec<Result<u32, Error>>| {
        let text =
            |result: Result<u32, Error>| result.map_or_else(|e| e.to_string(), |n| n.to_string());
        results.into_iter().map(text).collect::<Vec<_>>()
    };
    let results = spawn_all(Group::new(&Context::root()).keep_going()).await;
    assert_eq!(texts(results), ["1", "no such row", "3"]);
    let results = spawn_all(Group::new(&Context::root())).await;
    assert_eq!(texts(results), ["1", "no such row", "ended: a sibling failed: no such row"]);
}

#[tokio::test]
async fn a_fork_has_a_result_of_its_own_and_fails_with_the_rest() {
    let mut group = Group::<()>::new(&Context::root());
    let number = group.fork("number", |_| async { Ok(7_u8) });
    let text = group.fork("text", |_| async { Ok("seven".to_owned()) });
    assert_eq!((number.join().await.unwrap(), text.join().await.unwrap().as_str()), (7, "seven"));
    assert!(group.is_empty() && group.context().check().is_ok());

    let failing =
        group.fork("failing", |_| async { Err::<u8, _>(Error::new(Kind::NotFound, "real")) });
    group.spawn("sibling", |ctx| async move {
        ctx.cancelled().await;
        Ok(ctx.check()?)
    });
    assert_eq!(failing.join().await.unwrap_err().to_string(), "real");
    assert_eq!(group.join().await.unwrap_err().to_string(), "real");
}

#[tokio::test]
async fn a_panic_in_a_fork_is_raised_by_its_group() {
    let mut group = Group::<()>::new(&Context::root());
    let fork = group.fork("panicking", |_| async { panic!("boom") });
    let said = fork.join().await.map(|never: ()| never).unwrap_err();
    assert_eq!(said.to_string(), "the task panicked; its group raises the panic again");
    let raised = AssertUnwindSafe(group.join()).catch_unwind().await.unwrap_err();
    assert_eq!(task::panic_text(raised.as_ref()), "boom");
}

#[tokio::test]
async fn dropping_a_fork_is_no_failure() {
    let mut group = Group::new(&Context::root());
    drop(group.fork("left", |_| std::future::pending::<Result<(), Error>>()));
    group.spawn("fine", |ctx| async move {
        tokio::task::yield_now().await;
        Ok(ctx.check()?)
    });
    assert_eq!(group.join().await.unwrap(), [()]);
}

#[test]
fn a_second_panic_is_logged() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut raised = None;
    let lines = logged(|| {
        raised = Some(runtime.block_on(async {
            let mut group = Group::<()>::new(&Context::root());
            for text in ["one", "other"] {
                group.spawn("panicking", move |_| async move {
                    // So that both have begun.
                    tokio::task::yield_now().await;
                    std::panic::panic_any(text)
                });
            }
            AssertUnwindSafe(group.join()).catch_unwind().await.unwrap_err()
        }));
    });
    let second = if task::panic_text(&*raised.unwrap()) == "one" { "other" } else { "one" };
    let line = format!("another task of a group panicked owner=\"group\" panic=\"{second}\"");
    assert_eq!(lines.iter().filter(|told| told.contains(&line)).count(), 1, "{lines:?}");
}

#[tokio::test]
async fn a_failure_goes_through_groups_in_groups() {
    let seen = Arc::new(AtomicUsize::new(0));
    let mut outer = Group::<()>::new(&Context::root());
    for failing in [true, false] {
        let seen = seen.clone();
        outer.spawn("inner", move |ctx| async move {
            let mut inner = Group::new(&ctx);
            inner.spawn("cousin", move |ctx| async move {
                ctx.cancelled().await;
                seen.fetch_add(1, Ordering::SeqCst);
                Ok(ctx.check()?)
            });
            if failing {
                inner.spawn("failing", |_| async { Err(Error::new(Kind::NotFound, "real")) });
            }
            inner.join().await?;
            Ok(())
        });
    }
    assert_eq!(outer.join().await.unwrap_err().to_string(), "real");
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_empty_group_is_done() {
    let group = Group::<u8>::new(&Context::root());
    assert!(group.is_empty() && group.settle().await.is_empty());
    assert!(Group::<u8>::new(&Context::root()).join().await.unwrap().is_empty());
}
