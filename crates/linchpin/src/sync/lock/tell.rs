//! Where reports go.

use std::cell::Cell;

use super::report::Report;

thread_local! {
    /// Whether this thread is telling something: a log may use locks itself.
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

/// Whether a mistake fails the test whose thread this is.
pub(super) fn panics() -> bool {
    #[cfg(feature = "testing")]
    return !super::collector::is_here();
    #[cfg(not(feature = "testing"))]
    return false;
}

/// Tells `report` to whoever collects on this thread, or to the log and the numbers. Only the log can panic: nothing of
/// ours is locked, and the thread does not have the lock that it was about to take.
#[cfg_attr(
    not(feature = "testing"),
    expect(clippy::needless_pass_by_value, reason = "a test that collects reports keeps it")
)]
pub(super) fn tell(report: Report) {
    if TELLING.replace(true) {
        return;
    }
    let _telling = Telling;
    #[cfg(feature = "testing")]
    let Some(report) = super::collector::offer(report) else { return };
    metrics::counter!("linchpin_lock_reports_total", "kind" => report.kind()).increment(1);
    if matches!(report, Report::LongHold { .. }) {
        // How long something takes is no matter of right and wrong on a busy machine.
        tracing::warn!("{report}");
        return;
    }
    tracing::error!("{report}");
    // In the midst of a panic a second one would abort the process.
    assert!(!panics() || std::thread::panicking(), "{report}");
}

struct Telling;

impl Drop for Telling {
    fn drop(&mut self) {
        TELLING.set(false);
    }
}
