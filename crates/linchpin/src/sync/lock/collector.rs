//! Reports as values, for tests.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;

use super::report::Report;

/// Collects what locks tell on this thread, in place of log and panic, until it is dropped.
///
/// It must be [asked](Self::take): one that is dropped with a report other than a long hold fails the test. A later
/// collector of the same thread goes before it. Without debug assertions there is nothing to collect.
///
/// ```
/// # use linchpin::sync::{RwLock, lock::Collector};
/// let told = Collector::new();
/// let routes = RwLock::named("routes", 0);
/// let (_first, _second) = (routes.read(), routes.read());
/// # if cfg!(debug_assertions) {
/// assert!(told.take()[0].to_string().starts_with("a thread hangs if a writer comes between"));
/// # }
/// ```
#[derive(Debug)]
#[must_use = "it collects until it is dropped"]
pub struct Collector {
    outer: Option<Vec<Report>>,
    _on_this_thread: PhantomData<Rc<()>>,
}

thread_local! {
    static COLLECTED: RefCell<Option<Vec<Report>>> = const { RefCell::new(None) };
}

/// Whether somebody collects on this thread.
#[cfg(debug_assertions)]
pub(super) fn is_here() -> bool {
    COLLECTED.try_with(|collected| collected.borrow().is_some()).unwrap_or(false)
}

/// Gives the report back if nobody collects.
#[cfg(debug_assertions)]
pub(super) fn offer(report: Report) -> Option<Report> {
    if !is_here() {
        return Some(report);
    }
    COLLECTED.with_borrow_mut(|collected| collected.get_or_insert_default().push(report));
    None
}

impl Collector {
    /// Collects from now on.
    pub fn new() -> Self {
        let outer = COLLECTED.replace(Some(Vec::new()));
        Self { outer, _on_this_thread: PhantomData }
    }

    /// What was told since the last time, in order.
    #[must_use]
    pub fn take(&self) -> Vec<Report> {
        COLLECTED
            .with_borrow_mut(|collected| collected.as_mut().map(std::mem::take))
            .unwrap_or_default()
    }
}

impl Default for Collector {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let left = COLLECTED.replace(self.outer.take()).unwrap_or_default();
        let mistakes = left.iter().filter(|report| !matches!(report, Report::LongHold { .. }));
        let texts: Vec<String> = mistakes.map(ToString::to_string).collect();
        assert!(
            texts.is_empty() || std::thread::panicking(),
            "locks told what nobody asked for:\n{}",
            texts.join("\n")
        );
    }
}
