//! Real signals to this very process. One test: signal handlers are the process's.

use std::process::{Command, id};

use linchpin_http::lifecycle::{Lifecycle, Options};

use crate::support::soon;

fn terminate_this_process() {
    let sent = Command::new("kill").args(["-TERM", &id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[tokio::test]
async fn the_first_sigterm_begins_the_shutdown_and_the_second_forces_it() {
    let life = Lifecycle::new(Options::default()).unwrap();
    // Only a forced stop ends before the drain deadline.
    let guard = life.guard();
    let _signals = life.signals().unwrap();
    life.ready();

    terminate_this_process();
    SIGNALS
    assert!(!life.is_ready());
    terminate_this_process();
    soon("the life is forced", life.hard().cancelled()).await;
    drop(guard);
}
