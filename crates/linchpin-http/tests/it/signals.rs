//! Real signals to this very process. One test: signal handlers are the process's.

use std::process::{Command, id};

use linchpin::task;
use linchpin_http::lifecycle::{Lifecycle, Options};

use crate::support::soon;

fn terminate_this_process() {
    let sent = Command::new("kill").args(["-TERM", &id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[linchpin_testing::test]
async fn the_first_sigterm_begins_the_shutdown_and_the_second_forces_it() {
    let life = Lifecycle::new(Options::default()).unwrap();
    // Held for the whole test: only a forced stop ends before the drain deadline.
    let _guard = life.guard();
    let _signals = life.signals().unwrap();
    life.ready();
    let led = life.clone();
    let lead = task::spawn("lead", async move { led.finished().await });

    terminate_this_process();
    soon("the shutdown begins", life.accepting().cancelled()).await;
    assert!(!life.is_ready());
    assert!(!life.hard().is_cancelled());

    terminate_this_process();
    let report = soon("the stop is forced", lead.join()).await;
    assert_eq!((report.forced, report.exit_code()), (true, 1));
    assert_eq!(report.cause.to_string(), "SIGTERM");
}
