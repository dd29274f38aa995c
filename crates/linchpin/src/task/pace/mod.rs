//! Values that are handed on when it is time, and not when they come: what [`debounce`] and [`throttle`] share.
//!
//! Both are a mailbox for one value. Pushing never waits: a value that comes before the last was handed on takes its
//! place, or is [merged](Pusher::merge) into it. The receiver asks for the [next](Paced::next) and gets it when it is
//! time; while it works on one, values go on being put together.
//!
//! [`debounce`]: super::debounce
//! [`throttle`]: super::throttle

mod debounce;
mod throttle;

use std::fmt;
use std::future::poll_fn;
use std::task::{Poll, ready};

pub(super) use self::debounce::Debounce;
pub(super) use self::throttle::Throttle;
use crate::context::Context;
use crate::sync::channel::{Closed, RecvError};
use crate::sync::mailbox::{Found, Machine, Next, Rx, Tx, mailbox};
use crate::time::{Instant, Nap};

/// Which values of a burst are handed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Edge {
    /// The first, at once; the rest of the burst is dropped.
    Leading,
    /// The last, when it is time.
    Trailing,
    /// The first, at once, and the last, when it is time, if there was more than one.
    Both,
}

/// The end of a [`debounce`](super::debounce) or a [`throttle`](super::throttle) that values are put into. Clones put
/// them into the same; the last to go closes it.
pub struct Pusher<T>(Tx<Pace<T>>);

/// The end of a [`debounce`](super::debounce) or a [`throttle`](super::throttle) that hands values on.
pub struct Paced<T> {
    rx: Rx<Pace<T>>,
    nap: Nap,
}

/// The two machines. Pure: they are told the time.
pub(super) enum Pace<T> {
    Debounce(Debounce<T>),
    Throttle(Throttle<T>),
}

pub(super) fn channel<T>(pace: Pace<T>) -> (Pusher<T>, Paced<T>) {
    let (tx, rx) = mailbox(pace);
    (Pusher(tx), Paced { rx, nap: Nap::default() })
}

impl Edge {
    fn leads(self) -> bool {
        self != Self::Trailing
    }

    fn trails(self) -> bool {
        self != Self::Leading
    }
}

// ===== impl Pusher =====

impl<T> Pusher<T> {
    /// Puts a value in; it takes the place of one that was not handed on yet. Never waits, allocates nothing.
    ///
    /// # Errors
    ///
    /// [`Closed`] with the value, if nothing receives any more.
    pub fn push(&self, value: T) -> Result<(), Closed<T>> {
        let now = Instant::now();
        // What gave way is dropped outside of the lock.
        let _gave_way = self.0.push(value, |pace, value| pace.push(value, now)).map_err(Closed)?;
        Ok(())
    }

    /// Puts a value in; if there is one that was not handed on yet, `merge` puts the two together. For a burst of which
    /// all counts: the names of all files that changed.
    ///
    /// `merge` runs under the lock, so it must be short, and must not use this debounce or throttle.
    ///
    /// # Errors
    ///
    /// [`Closed`] with the value, if nothing receives any more.
    ///
    /// # Panics
    ///
    /// A panic in `merge` is the caller's; what was there stays as `merge` left it.
    pub fn merge(&self, value: T, merge: impl FnOnce(&mut T, T)) -> Result<(), Closed<T>> {
        let now = Instant::now();
        let work = |pace: &mut Pace<T>, value| match pace.held() {
            Some(held) => {
                merge(held, value);
                pace.touch(now);
                (None, false)
            }
            None => pace.push(value, now),
        };
        let _gave_way = self.0.push(value, work).map_err(Closed)?;
        Ok(())
    }

    /// Whether nothing receives any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl<T> Clone for Pusher<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Pusher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pusher").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

// ===== impl Paced =====

impl<T> Paced<T> {
    /// Waits for the next value, until it is time for it. Allocates at the first wait for a time alone.
    ///
    /// # Errors
    ///
    /// [`RecvError`], if all was handed on and nothing more can come, or the context ends first.
    ///
    /// # Panics
    ///
    /// If it has to wait for a time outside a tokio runtime with timers. The one where it first does keeps it.
    ///
    /// # Cancel safety
    ///
    /// Safe: a value that was not returned is still there.
    pub async fn next(&mut self, ctx: &Context) -> Result<T, RecvError> {
        let Self { rx, nap } = self;
        let next = poll_fn(|cx| {
            let mut now = Instant::now();
            loop {
                match ready!(rx.poll(cx, |pace, last| pace.next(now, last))) {
                    Found::Item(value) => return Poll::Ready(Ok(value)),
                    Found::Closed => return Poll::Ready(Err(RecvError::Closed)),
                    Found::At(at) => now = ready!(nap.poll(at, cx)),
                }
            }
        });
        ctx.run(next).await?
    }

    /// Hands on what is there before its time.
    pub fn flush(&mut self) -> Option<T> {
        let now = Instant::now();
        match self.rx.look(|pace, _| pace.flush(now)) {
            Some(Found::Item(value)) => Some(value),
            Some(Found::At(_) | Found::Closed) | None => None,
        }
    }

    /// Lets nothing more in; what is there can still be had.
    pub fn close(&mut self) {
        self.rx.close();
    }
}

impl<T> fmt::Debug for Paced<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paced").field("closed", &self.rx.is_closed()).finish_non_exhaustive()
    }
}

// ===== impl Pace =====

impl<T> Pace<T> {
    /// What gave way, and whether the receiver has to know: not if there was something already, since its time does
    /// not come nearer.
    fn push(&mut self, value: T, now: Instant) -> (Option<T>, bool) {
        let was_empty = self.held().is_none();
        let gave_way = match self {
            Self::Debounce(debounce) => debounce.push(value, now),
            Self::Throttle(throttle) => throttle.push(value, now),
        };
        (gave_way, was_empty && self.held().is_some())
    }

    fn held(&mut self) -> Option<&mut T> {
        match self {
            Self::Debounce(debounce) => debounce.held(),
            Self::Throttle(throttle) => throttle.held(),
        }
    }

    /// The burst goes on.
    fn touch(&mut self, now: Instant) {
        if let Self::Debounce(debounce) = self {
            debounce.touch(now);
        }
    }

    fn next(&mut self, now: Instant, last: bool) -> Next<T> {
        match self {
            Self::Debounce(debounce) => debounce.next(now, last),
            Self::Throttle(throttle) => throttle.next(now),
        }
    }

    fn flush(&mut self, now: Instant) -> Next<T> {
        let held = match self {
            Self::Debounce(debounce) => debounce.take(),
            Self::Throttle(throttle) => throttle.take(now),
        };
        held.map_or(Next::Nothing, Next::Item)
    }
}

impl<T> Machine for Pace<T> {
    type Left = Option<T>;

    fn empty(&mut self) -> Option<T> {
        match self {
            Self::Debounce(debounce) => debounce.take(),
            Self::Throttle(throttle) => throttle.clear(),
        }
    }
}
