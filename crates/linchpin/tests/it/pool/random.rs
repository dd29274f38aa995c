//! Whatever is done to a pool in whatever order: every job is heard of once, and the numbers add up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use linchpin::task::pool::{Options, Overflow, Pool, Priority};
use linchpin::{Context, Error, Kind};
use linchpin_testing::leak::Check;
use linchpin_testing::steps::settle;
use proptest::prelude::*;

use super::accounted;
use crate::paused;

const OVERFLOWS: [Overflow; 4] =
    [Overflow::Wait, Overflow::Reject, Overflow::DropOldest, Overflow::CallerRuns];
const PRIORITIES: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

#[derive(Clone, Copy, Debug)]
enum Step {
    Submit { sub: bool, priority: usize, millis: u64, fails: bool, panics: bool },
    Resize(usize),
    ResizeSub(usize),
    Pass(u64),
    DropSub,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (any::<bool>(), 0..3_usize, 0..4_u64, any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(sub, priority, millis, fails, panics)| Step::Submit { sub, priority, millis, fails, panics }),
        1 => (1..5_usize).prop_map(Step::Resize),
        1 => (1..5_usize).prop_map(Step::ResizeSub),
        4 => (0..5_u64).prop_map(Step::Pass),
        1 => Just(Step::DropSub),
    ]
}

async fn play(workers: usize, queue: usize, overflow: Overflow, steps: Vec<Step>) {
    let check = Check::new();
    let ctx = Context::root();
    let options = Options::default().queue(queue).overflow(overflow);
    let pool = Pool::new(workers, options.clone()).unwrap();
    let mut sub = pool.sub(2, options.clone()).unwrap();
    let begun = Arc::new(AtomicUsize::new(0));
    let (mut handles, mut gone) = (Vec::new(), 0);
    for step in steps {
        match step {
            Step::Submit { sub: in_sub, priority, millis, fails, panics } => {
                let to = if in_sub { &sub } else { &pool }.at(PRIORITIES[priority]);
                let begun = begun.clone();
                let job = move |ctx: Context| async move {
                    begun.fetch_add(1, Ordering::SeqCst);
                    ctx.sleep(Duration::from_millis(millis)).await?;
                    assert!(!panics, "planted");
                    if fails { Err(Error::new(Kind::Aborted, "planted")) } else { Ok(()) }
                };
                let submitted =
                    tokio::time::timeout(Duration::from_millis(2), to.submit(&ctx, job));
                if let Ok(Ok(handle)) = submitted.await {
                    handles.push(handle);
                }
            }
            Step::Resize(limit) => pool.resize(limit).unwrap(),
            Step::ResizeSub(limit) => sub.resize(limit).unwrap(),
            Step::Pass(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Step::DropSub => {
                gone += sub.stats().submitted;
                sub = pool.sub(2, options.clone()).unwrap();
                settle().await;
            }
        }
        for pool in [&pool, &sub] {
            let stats = pool.stats();
            assert_eq!(accounted(&stats), stats.submitted, "{stats:?}");
        }
    }
    let report = pool.drain(&ctx).await;
    assert!(report.is_complete(), "{report:?}");
    let submitted = report.stats.submitted + sub.stats().submitted + gone;
    assert!(handles.len() as u64 <= submitted && begun.load(Ordering::SeqCst) as u64 <= submitted);
    for handle in handles {
        assert!(handle.is_finished());
        drop(handle.outcome().await);
    }
    check.assert_none().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn every_job_is_heard_of_and_the_numbers_add_up(
        workers in 1..4_usize,
        queue in 0..4_usize,
        overflow in 0..4_usize,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        paused::block_on(play(workers, queue, OVERFLOWS[overflow], steps));
    }
}
