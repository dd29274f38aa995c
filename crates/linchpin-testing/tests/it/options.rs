//! Every options type of the crate, and what its default runs. A test of `linchpin` sees to it that none is missing.

use linchpin_testing::{harness, steps};

/// The options that are built here.
const DEFAULTS: [&str; 2] = ["harness::Options", "steps::Options"];

#[test]
fn the_default_runs_a_test() {
    assert_eq!(harness::run(harness::Options::default(), async { 7 }), 7);
}

#[tokio::test(start_paused = true)]
async fn the_default_drops_a_future_at_each_step() {
    let bounds = steps::Options::default();
    let report = bounds
        .drop_at_each(async || (), async |()| tokio::task::yield_now().await, async |()| ())
        .await;
    assert!(report.steps > 1, "{DEFAULTS:?}: {report:?}");
}
