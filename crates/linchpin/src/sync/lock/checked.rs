//! What a lock notes of itself in debug builds: what it is called, who holds it, in which orders it is taken.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::held::{self, Ticket};
use super::orders::{self, Seen};
use super::report::{Access, Order, Report, Taken};
use super::tell::{panics, tell};

/// What lies beside a lock: what it is called, and which one it is.
pub(super) struct Identity {
    name: Option<&'static str>,
    made: &'static Location<'static>,
    /// Zero until it is first taken.
    number: AtomicU64,
}

/// What lies beside a guard: the thread holds the lock until this is dropped.
pub(super) struct Hold(Ticket);

/// A moment of this thread.
pub(crate) struct Mark(Ticket);

/// In nanoseconds.
static HOLD_BOUND: AtomicU64 = AtomicU64::new(100_000_000);

pub(super) fn set_hold_bound(bound: Duration) {
    HOLD_BOUND.store(u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX), Relaxed);
}

// ===== impl Identity =====

impl Identity {
    #[track_caller]
    pub(super) const fn new() -> Self {
        Self { name: None, made: Location::caller(), number: AtomicU64::new(0) }
    }

    #[track_caller]
    pub(super) const fn named(name: &'static str) -> Self {
        Self { name: Some(name), made: Location::caller(), number: AtomicU64::new(0) }
    }

    /// Before it is waited for: judges what this thread holds. Beside one that is taken in the order of addresses, only
    /// these two count and not their kinds.
    #[track_caller]
    pub(super) fn before(&self, access: Access, beside: Option<&Self>) {
        if !held::is_empty() {
            judge(&held::all(), self.taken_at(access, Location::caller()), beside);
        }
    }

    /// Once it is taken.
    #[track_caller]
    pub(super) fn taken(&self, access: Access) -> Hold {
        Hold(held::enter(self.taken_at(access, Location::caller())))
    }

    fn taken_at(&self, access: Access, site: &'static Location<'static>) -> Taken {
        Taken { name: self.name, made: self.made, site, access, number: self.number() }
    }

    fn number(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        match self.number.load(Relaxed) {
            0 => {
                let next = NEXT.fetch_add(1, Relaxed);
                // Several may read it for the first time at once.
                self.number
                    .compare_exchange(0, next, Relaxed, Relaxed)
                    .map_or_else(|is| is, |_| next)
            }
            number => number,
        }
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        match *self.number.get_mut() {
            0 => {}
            number => orders::forget(number),
        }
    }
}

// ===== impl Hold, Mark =====

impl Drop for Hold {
    fn drop(&mut self) {
        let bound = Duration::from_nanos(HOLD_BOUND.load(Relaxed));
        if let Some((taken, lasted)) = held::leave(self.0, bound) {
            tell(Report::LongHold { taken, lasted, bound });
        }
    }
}

impl Mark {
    pub(crate) fn here() -> Self {
        Self(held::last())
    }

    /// Tells each lock that was taken since and is held, once.
    pub(crate) fn nothing_is_held_since(&self) {
        for taken in held::untold_after(self.0) {
            tell(Report::AcrossAwait(taken));
        }
    }
}

/// Whether a thread that holds `held` may wait for `then`.
fn judge(held: &[Taken], then: Taken, beside: Option<&Identity>) {
    let order = |held: Taken| Order { held, then, thread: thread_name() };
    if let Some(again) = held.iter().find(|held| held.number == then.number) {
        let report = Report::Relock(order(*again));
        let text = report.to_string();
        tell(report);
        // To go on is to hang.
        assert!([again.access, then.access] == [Access::Read; 2], "{text}");
    }
    for held in held.iter().filter(|held| held.number != then.number) {
        let by_lock = beside.is_some_and(|beside| beside.number() == held.number);
        let seen = orders::note(held, &then, by_lock, order);
        if let Seen::Circle { path, first } = seen
            && (first || panics())
        {
            tell(Report::Inversion(path));
        }
    }
}

fn thread_name() -> Arc<str> {
    std::thread::current().name().unwrap_or("(unnamed)").into()
}
