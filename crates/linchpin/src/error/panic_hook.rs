//! Where a panic was raised, which only a panic hook can see.
//!
//! [`install`] it once, early in `main`, after the logs and the metrics are set up. From then on
//!
//! - an error made by [`catch`](super::catch) knows the file, line and column of the panic and the name of its thread;
//! - a panic that no boundary of ours will catch is logged at once, with the same facts, in the span in which it was
//!   raised: that of a task whose result nobody awaits too. One that a boundary catches is logged by whoever handles
//!   its error, so that each is logged once;
//! - every panic is counted in `linchpin_panics_total`;
//! - the hook that was there before runs as it did. The one of the standard library writes to standard error, which is
//!   the last resort of a program without logs.
//!
//! A hook set later by somebody else takes the place of this one, unless it calls on. Locations are then missing, and
//! nothing else is. Without `install` everything works but for the points above.

use std::any::{Any, TypeId};
use std::cell::Cell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use crate::task::panic_text;

/// Adds our hook to the one that is installed. Later calls change nothing.
///
/// # Panics
///
/// On a thread that is panicking, as `std::panic::set_hook` does.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let count = metrics::counter!("linchpin_panics_total");
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            count.increment(1);
            note(info);
            before(info);
        }));
    });
}

/// What the hook saw of a panic.
#[derive(Debug)]
pub(super) struct Raised {
    location: String,
    thread: Option<String>,
    /// The type and text of the payload: by them a boundary knows that what it caught is what was seen.
    payload: TypeId,
    text: String,
}

/// A boundary that catches panics, as far as this thread is inside of it.
pub(super) struct Boundary {
    outer: Option<Box<Raised>>,
}

thread_local! {
    /// The last panic of this thread inside of the innermost boundary.
    static LAST: Cell<Option<Box<Raised>>> = const { Cell::new(None) };
    /// How many boundaries this thread is inside of.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Runs inside the panic: code that panics here aborts the process, so none of the user's is called.
fn note(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current().name().map(str::to_owned);
    let location = info.location().map_or_else(|| "(unknown)".to_owned(), ToString::to_string);
    let (text, payload) = (panic_text(info.payload()), info.payload().type_id());
    if DEPTH.get() == 0 {
        tracing::error!(panic = text, location, thread, "a panic outside of any boundary");
        return;
    }
    last(Some(Box::new(Raised { location, thread, payload, text: text.to_owned() })));
}

/// Puts `raised` in the place of the last panic and returns that one.
fn last(raised: Option<Box<Raised>>) -> Option<Box<Raised>> {
    // A thread that is ending has none any more: what is caught then has no location.
    LAST.try_with(|last| last.replace(raised)).ok().flatten()
}

// ===== impl Raised =====

impl Raised {
    pub(super) fn location(&self) -> &str {
        &self.location
    }

    pub(super) fn thread(&self) -> Option<&str> {
        self.thread.as_deref()
    }

    /// Whether this is the panic with that payload, and not one that somebody else caught before.
    pub(super) fn is_of(&self, payload: &(dyn Any + Send)) -> bool {
        self.payload == payload.type_id() && self.text == panic_text(payload)
    }
}

// ===== impl Boundary =====

impl Boundary {
    /// Enters. What an outer boundary has seen is put aside: the code inside may run while a panic passes by.
    pub(super) fn enter() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self { outer: last(None) }
    }

    /// Leaves, and tells the last panic that was raised inside.
    pub(super) fn leave(self) -> Option<Box<Raised>> {
        DEPTH.set(DEPTH.get() - 1);
        last(self.outer)
    }
}
