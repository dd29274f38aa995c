//! The channel that waits when it is full: tokio's, with a context.

use std::fmt;

use tokio::sync::mpsc;

use super::error::{Closed, RecvError, SendError, TryRecvError, TrySendError};
use crate::context::Context;
use crate::resilience::BadOptions;

/// The sending half of a [`bounded`] channel. Clones send to the same receiver; the last to go closes it.
pub struct Sender<T>(mpsc::Sender<T>);

/// The receiving half of a [`bounded`] channel. Dropping it drops what is in the channel.
pub struct Receiver<T>(mpsc::Receiver<T>);

/// A place in a channel that is taken and not filled yet. Dropping it gives the place back.
#[must_use = "dropping the permit gives the place back"]
pub struct Permit<'a, T>(mpsc::Permit<'a, T>);

/// A channel with room for `capacity` values, in which senders wait when it is full, first come first served.
///
/// # Errors
///
/// If `capacity` is zero, or too large for a semaphore.
pub fn bounded<T>(capacity: usize) -> Result<(Sender<T>, Receiver<T>), BadOptions> {
    let why = match capacity {
        0 => "no room at all; say at least 1".to_owned(),
        1..=tokio::sync::Semaphore::MAX_PERMITS => {
            let (sender, receiver) = mpsc::channel(capacity);
            return Ok((Sender(sender), Receiver(receiver)));
        }
        _ => format!("room for {capacity} values is more than can be counted"),
    };
    Err(BadOptions::new("channel::bounded", why))
}

// ===== impl Sender =====

impl<T> Sender<T> {
    /// Sends, if there is room now and nobody waits before.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] with the value, if there is not, or nothing receives any more.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.0.try_send(value).map_err(|error| match error {
            mpsc::error::TrySendError::Full(value) => TrySendError::Full(value),
            mpsc::error::TrySendError::Closed(value) => TrySendError::Closed(value),
        })
    }

    /// Sends once there is room.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the value, if nothing receives any more, or the context ends first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the value unsent, and loses the place in the queue. Use [`reserve`](Self::reserve) to
    /// keep the value.
    pub async fn send(&self, ctx: &Context, value: T) -> Result<(), SendError<T>> {
        match ctx.run(self.0.reserve()).await {
            Ok(Ok(permit)) => {
                permit.send(value);
                Ok(())
            }
            Ok(Err(_)) => Err(SendError::Closed(value)),
            Err(ended) => Err(SendError::Ended(value, ended)),
        }
    }

    /// Waits for a place, for a value that is made or given away only then.
    ///
    /// # Errors
    ///
    /// [`SendError`] without a value.
    ///
    /// # Cancel safety
    ///
    /// Safe: dropping the future loses the place in the queue and nothing else.
    pub async fn reserve(&self, ctx: &Context) -> Result<Permit<'_, T>, SendError<()>> {
        match ctx.run(self.0.reserve()).await {
            Ok(Ok(permit)) => Ok(Permit(permit)),
            Ok(Err(_)) => Err(SendError::Closed(())),
            Err(ended) => Err(SendError::Ended((), ended)),
        }
    }

    /// Takes a place, if there is one now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] without a value.
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        self.0.try_reserve().map(Permit).map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => TrySendError::Full(()),
            mpsc::error::TrySendError::Closed(()) => TrySendError::Closed(()),
        })
    }

    /// Waits until nothing receives any more.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn closed(&self) -> Closed {
        self.0.closed().await;
        Closed(())
    }

    /// How many places are free now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.0.capacity()
    }

    /// Tokio's own sender, for what is missing here.
    #[must_use]
    pub fn into_inner(self) -> mpsc::Sender<T> {
        self.0
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> From<mpsc::Sender<T>> for Sender<T> {
    fn from(sender: mpsc::Sender<T>) -> Self {
        Self(sender)
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("free", &self.free()).finish_non_exhaustive()
    }
}

// ===== impl Receiver =====

impl<T> Receiver<T> {
    /// Receives what is there now.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`], if nothing is, or nothing more can come.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.0.try_recv().map_err(|error| match error {
            mpsc::error::TryRecvError::Empty => TryRecvError::Empty,
            mpsc::error::TryRecvError::Disconnected => TryRecvError::Closed,
        })
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
        ctx.run(self.0.recv()).await?.ok_or(RecvError::Closed)
    }

    /// Lets nothing more in; what is there can still be received.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// How many values are there now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is there now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tokio's own receiver, for what is missing here.
    #[must_use]
    pub fn into_inner(self) -> mpsc::Receiver<T> {
        self.0
    }
}

impl<T> From<mpsc::Receiver<T>> for Receiver<T> {
    fn from(receiver: mpsc::Receiver<T>) -> Self {
        Self(receiver)
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}

// ===== impl Permit =====

impl<T> Permit<'_, T> {
    /// Sends: there is room.
    pub fn send(self, value: T) {
        self.0.send(value);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}
