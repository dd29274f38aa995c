//! The channel that never makes its sender wait.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;

use super::error::{Closed, RecvError, TryRecvError};
use crate::context::Context;
use crate::resilience::BadOptions;
use crate::sync::mailbox::{Found, Machine, Next, Rx, Tx, mailbox};

/// The sending half of a [`lossy`] channel. Clones send to the same receiver; the last to go closes it.
pub struct LossySender<T>(Tx<Ring<T>>);

/// The receiving half of a [`lossy`] channel. Dropping it drops what is in the channel.
pub struct LossyReceiver<T>(Rx<Ring<T>>);

/// Which value is lost when there is no room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Overflow {
    /// The one that waits longest: for readings, positions, the tail of a log.
    DropOldest,
    /// The one that comes: for samples, and where what came first has a right.
    DropNewest,
}

/// What became of a value that was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sent<T> {
    /// It is in the channel; there was room.
    Queued,
    /// It is in the channel, in the place of the oldest, which is here.
    Displaced(T),
    /// There was no room for it; here it is.
    Refused(T),
}

/// All its room is made at the beginning, so sending allocates nothing.
struct Ring<T> {
    values: VecDeque<T>,
    capacity: usize,
    overflow: Overflow,
    lost: u64,
}

/// A channel with room for `capacity` values that loses one when it is full.
///
/// # Errors
///
/// If `capacity` is zero, or there is no memory for so many.
///
/// ```
/// # use linchpin::sync::channel::{Overflow, Sent, lossy};
/// let (readings, mut gauge) = lossy(2, Overflow::DropOldest)?;
/// assert_eq!(readings.send(1).unwrap(), Sent::Queued);
/// assert_eq!(readings.send(2).unwrap(), Sent::Queued);
/// assert_eq!(readings.send(3).unwrap(), Sent::Displaced(1));
/// assert_eq!(gauge.try_recv(), Ok(2));
/// # Ok::<(), linchpin::resilience::BadOptions>(())
/// ```
pub fn lossy<T>(
    capacity: usize,
    overflow: Overflow,
) -> Result<(LossySender<T>, LossyReceiver<T>), BadOptions> {
    if capacity == 0 {
        return Err(BadOptions::new("channel::lossy", "no room at all; say at least 1"));
    }
    let mut values = VecDeque::new();
    if values.try_reserve_exact(capacity).is_err() {
        let why = format!("there is no memory for {capacity} values");
        return Err(BadOptions::new("channel::lossy", why));
    }
    Ok(with_room(values, capacity, overflow))
}

/// A channel that keeps the latest value alone, until it is received, once.
///
/// Where many look at a value, again and again, use tokio's `watch`.
#[must_use]
pub fn latest<T>() -> (LossySender<T>, LossyReceiver<T>) {
    with_room(VecDeque::with_capacity(1), 1, Overflow::DropOldest)
}

fn with_room<T>(
    values: VecDeque<T>,
    capacity: usize,
    overflow: Overflow,
) -> (LossySender<T>, LossyReceiver<T>) {
    let (sender, receiver) = mailbox(Ring { values, capacity, overflow, lost: 0 });
    (LossySender(sender), LossyReceiver(receiver))
}

// ===== impl LossySender =====

impl<T> LossySender<T> {
    /// Sends, at the cost of a value if there is no room. Never waits, allocates nothing.
    ///
    /// # Errors
    ///
    /// [`Closed`] with the value, if nothing receives any more.
    pub fn send(&self, value: T) -> Result<Sent<T>, Closed<T>> {
        self.0.push(value, |ring, value| (ring.push(value), true)).map_err(Closed)
    }

    /// How many values were lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.look(|ring| ring.lost)
    }

    /// Whether nothing receives any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl<T> Clone for LossySender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for LossySender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LossySender").field("lost", &self.lost()).finish_non_exhaustive()
    }
}

// ===== impl LossyReceiver =====

impl<T> LossyReceiver<T> {
    /// Receives what is there now.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`], if nothing is, or nothing more can come.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.0.look(|ring, _| ring.pop()) {
            Some(Found::Item(value)) => Ok(value),
            Some(Found::Closed) => Err(TryRecvError::Closed),
            Some(Found::At(_)) | None => Err(TryRecvError::Empty),
        }
    }

    /// Receives the next value, in the order of sending.
    ///
    /// # Errors
    ///
    /// [`RecvError`], if all was received and nothing more can come, or the context ends first. Under a context that
    /// has ended nothing is received, whatever is there: [`try_recv`](Self::try_recv) has it.
    ///
    /// # Cancel safety
    ///
    /// Safe: a value that was not returned is still in the channel.
    pub async fn recv(&mut self, ctx: &Context) -> Result<T, RecvError> {
        let found = ctx.run(poll_fn(|cx| self.0.poll(cx, |ring, _| ring.pop()))).await?;
        match found {
            Found::Item(value) => Ok(value),
            Found::Closed | Found::At(_) => Err(RecvError::Closed),
        }
    }

    /// Lets nothing more in; what is there can still be received.
    pub fn close(&mut self) {
        self.0.close();
    }
}

impl<T> fmt::Debug for LossyReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LossyReceiver").field("closed", &self.0.is_closed()).finish_non_exhaustive()
    }
}

// ===== impl Ring =====

impl<T> Ring<T> {
    fn push(&mut self, value: T) -> Sent<T> {
        if self.values.len() < self.capacity {
            self.values.push_back(value);
            return Sent::Queued;
        }
        self.lost += 1;
        if self.overflow == Overflow::DropNewest {
            return Sent::Refused(value);
        }
        let oldest = self.values.pop_front();
        self.values.push_back(value);
        oldest.map_or(Sent::Queued, Sent::Displaced)
    }

    fn pop(&mut self) -> Next<T> {
        self.values.pop_front().map_or(Next::Nothing, Next::Item)
    }
}

impl<T> Machine for Ring<T> {
    type Left = VecDeque<T>;

    fn empty(&mut self) -> VecDeque<T> {
        std::mem::take(&mut self.values)
    }
}

impl<T> Sent<T> {
    /// The value that was lost, whichever it was.
    pub fn lost(self) -> Option<T> {
        match self {
            Self::Queued => None,
            Self::Displaced(value) | Self::Refused(value) => Some(value),
        }
    }
}
