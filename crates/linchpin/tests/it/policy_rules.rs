//! The rules that every policy keeps, and the harness that puts one through them.
//!
//! A policy brings a [`Subject`]: how it is built, how a call goes through it, and how to see that nothing of it is
//! taken. [`rules!`](crate::policy_rules::rules) makes a test of each rule.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::context::{Cause, Ended};
use linchpin::resilience::{BadOptions, Failed, FailedKind};
use linchpin::time::Instant;
use linchpin_testing::steps::drop_at_each;

use crate::recorder;

/// The error of the callee.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Sick;

/// A policy under test.
pub(crate) trait Subject: Sized {
    /// One that lets a single call be under way, so that whatever is not given back is missed, as far as it can be set
    /// so.
    fn narrow() -> Self;

    /// Lets `work` through, as a plain async closure.
    async fn call<T, Fut>(
        &self,
        ctx: &Context,
        work: impl FnOnce() -> Fut,
    ) -> Result<T, Failed<Sick>>
    where
        Fut: Future<Output = Result<T, Sick>>;

    /// Whether nothing is taken: the next call would be let through, and nothing is counted of those that were dropped.
    fn is_untouched(&self) -> bool;

    /// Whether a panic of the callee was counted as a failure, where that can be seen.
    fn counted_a_failure(&self) -> bool;

    /// Options one would not choose: each is either fine, or an error that names what is wrong.
    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)>;
}

/// A callee that waits twice.
async fn waits() -> Result<u8, Sick> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    tokio::task::yield_now().await;
    Ok(1)
}

pub(crate) async fn dropped_at_each_step<S: Subject>() {
    drop_at_each(
        async || (S::narrow(), Context::root().child()),
        async |(policy, ctx)| policy.call(ctx, waits).await,
        async |(policy, ctx)| {
            let next = policy.call(ctx, async || Ok(2)).now_or_never().expect("nobody is inside");
            assert_eq!(next.unwrap(), 2, "its place is free again");
        },
    )
    .await;
    let policy = S::narrow();
    let root = Context::root();
    let mut call = Box::pin(policy.call(&root, waits).map(|_| ()));
    assert!((&mut call).now_or_never().is_none());
    drop(call);
    assert!(policy.is_untouched(), "a call that was dropped says nothing");
}

pub(crate) async fn panic_of_the_callee<S: Subject>() {
    for late in [false, true] {
        let policy = S::narrow();
        let ctx = Context::root();
        let call = policy.call(&ctx, || {
            assert!(late, "in the closure");
            async { panic!("in its future") }
        });
        let mut call = Box::pin(AssertUnwindSafe(call).catch_unwind());
        let raised = (&mut call).await;
        assert!(raised.map(|_: Result<u8, _>| ()).is_err(), "the panic is the caller's");
        assert!(policy.counted_a_failure(), "at once, though the future lives on");
        drop(call);
    }
}

pub(crate) async fn ended_contexts<S: Subject>() {
    let asked = AtomicU64::new(0);
    let policy = S::narrow();
    let ask = || {
        asked.fetch_add(1, Ordering::Relaxed);
        async { Ok(1) }
    };
    let late = Context::root().with_timeout(Duration::from_secs(1));
    tokio::time::advance(Duration::from_secs(1)).await;
    let gone = Context::root().child();
    gone.cancel("gone");
    for ctx in [&late, &gone] {
        let failed = policy.call(ctx, ask).await.unwrap_err();
        assert!(matches!(failed.kind(), FailedKind::Ended(_)), "{failed:?}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0, "the callee is not asked when it is too late");
    assert!(policy.is_untouched());

    // An end while it runs stops it.
    let ctx = Context::root().child();
    let mut call = Box::pin(policy.call(&ctx, std::future::pending::<Result<u8, Sick>>));
    assert!((&mut call).now_or_never().is_none());
    ctx.cancel(Cause::Shutdown);
    let failed = call.await.unwrap_err();
    let is_shutdown = |ended: &Ended| matches!(ended.cause(), Cause::Shutdown);
    assert!(matches!(failed.kind(), FailedKind::Ended(ended) if is_shutdown(ended)));
    assert!(policy.is_untouched(), "a cancelled call says nothing");
}

pub(crate) async fn standing_clock<S: Subject>() {
    let policy = S::narrow();
    let began = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(policy.call(&Context::root(), async || Ok(1)).await.unwrap(), 1);
    }
    assert_eq!(Instant::now(), began, "nothing waits where nothing is in the way");
}

pub(crate) async fn a_year_passes<S: Subject>() {
    let policy = S::narrow();
    for years in 0..4 {
        for _ in 0..3 {
            let failed = policy.call(&Context::root(), async || Err::<u8, _>(Sick)).await;
            drop(failed.expect_err("the callee's error, or a refusal"));
        }
        tokio::time::advance(Duration::from_hours(365 * 24 * (1 << years))).await;
        let next = policy.call(&Context::root(), async || Ok(1)).await;
        assert_eq!(next.unwrap(), 1, "whatever it waited for is over");
    }
}

pub(crate) async fn extreme_options<S: Subject>() {
    let extremes = S::extremes();
    assert!(extremes.len() > 3);
    for (name, built) in extremes {
        match built {
            Ok(policy) => {
                for _ in 0..70 {
                    let well = policy.call(&Context::root(), async || Ok(1)).await;
                    assert_eq!(well.unwrap(), 1, "{name}");
                }
                for _ in 0..70 {
                    drop(policy.call(&Context::root(), async || Err::<u8, _>(Sick)).await);
                    tokio::time::advance(Duration::from_millis(10)).await;
                }
            }
            Err(bad) => {
                let text = bad.to_string();
                assert!(text.starts_with("bad options for ") && text.len() > 30, "{name}: {text}");
            }
        }
    }
}

/// Whatever a call comes to, a recorder that panics costs what it was told and nothing else.
pub(crate) async fn deaf_recorder<S: Subject>() {
    let (recorder, _) = recorder::panicking();
    let root = Context::root();
    let policy = || metrics::with_local_recorder(&recorder, S::narrow);
    assert_eq!(policy().call(&root, async || Ok(1)).await.unwrap(), 1);
    assert_eq!(policy().call(&root, waits).await.unwrap(), 1);
    let failed = policy().call(&root, async || Err::<u8, _>(Sick)).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee(Sick)), "{failed:?}");
    for late in [false, true] {
        let panics = policy();
        let call = panics.call(&root, || async {
            if late {
                tokio::task::yield_now().await;
            }
            panic!("its own")
        });
        let raised = AssertUnwindSafe(call).catch_unwind().await;
        let payload = raised.map(|_: Result<u8, _>| ()).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"its own"));
    }
    let dropped = policy();
    let mut call = Box::pin(dropped.call(&root, waits));
    assert!((&mut call).now_or_never().is_none());
    drop(call);
}

/// The call of a [`Subject`] around a policy that takes a context and a closure.
macro_rules! calls {
    () => {
        async fn call<T, Fut>(
            &self,
            ctx: &linchpin::Context,
            work: impl FnOnce() -> Fut,
        ) -> Result<T, linchpin::resilience::Failed<crate::policy_rules::Sick>>
        where
            Fut: Future<Output = Result<T, crate::policy_rules::Sick>>,
        {
            self.0.call(ctx, work).await
        }
    };
}
pub(crate) use calls;

/// A test of each rule for a [`Subject`].
macro_rules! rules {
    ($subject:ty) => {
        #[tokio::test(start_paused = true)]
        async fn a_call_may_be_dropped_anywhere() {
            crate::policy_rules::dropped_at_each_step::<$subject>().await;
        }

        #[tokio::test(start_paused = true)]
        async fn a_panic_of_the_callee_gives_all_back_and_is_a_failure() {
            crate::policy_rules::panic_of_the_callee::<$subject>().await;
        }

        #[tokio::test(start_paused = true)]
        async fn a_context_that_has_ended_or_ends_is_obeyed() {
            crate::policy_rules::ended_contexts::<$subject>().await;
        }

        #[tokio::test(start_paused = true)]
        async fn a_clock_that_stands_still_holds_nobody_up() {
            crate::policy_rules::standing_clock::<$subject>().await;
        }

        #[tokio::test(start_paused = true)]
        async fn years_may_pass() {
            crate::policy_rules::a_year_passes::<$subject>().await;
        }

        #[tokio::test(start_paused = true)]
        async fn a_recorder_that_panics_costs_its_event_only() {
            crate::policy_rules::deaf_recorder::<$subject>().await;
        }

        #[tokio::test(start_paused = true)]
        async fn zero_and_most_are_fine_or_an_error_that_says_why() {
            crate::policy_rules::extreme_options::<$subject>().await;
        }
    };
}
pub(crate) use rules;
