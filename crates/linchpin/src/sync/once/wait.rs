//! Waiting for one's turn, and having it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, Waker};
use std::thread;

use super::turn::{Found, Turns};
use crate::context::{Cancelled, Context, Ended, Unpark};

/// A place in line, from the first poll on. Dropping it leaves the line; a turn that came meanwhile is handed on.
pub(super) struct Wait<'a> {
    turns: &'a Turns,
    key: Option<u64>,
    ended: Cancelled<'a>,
}

/// One's turn. Dropped without a value, by a failure, a panic or a cancellation, it is the next one's.
pub(super) struct Mine<'a> {
    turns: &'a Turns,
    over: bool,
}

impl<'a> Mine<'a> {
    fn new(turns: &'a Turns) -> Self {
        Self { turns, over: false }
    }

    /// The value is where all find it.
    pub(super) fn finish(mut self) {
        self.over = true;
        self.turns.finish();
    }
}

impl Drop for Mine<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.turns.give_up();
        }
    }
}

impl Turns {
    /// One's turn, if nobody else has it and there is no value.
    pub(super) fn mine_now(&self) -> Option<Mine<'_>> {
        (self.try_take() == Some(Found::Mine)).then(|| Mine::new(self))
    }

    /// One's turn, or `None` when the value is there.
    pub(super) async fn mine<'a>(&'a self, ctx: &'a Context) -> Result<Option<Mine<'a>>, Ended> {
        let found = match self.try_take() {
            Some(found) => found,
            None => Wait { turns: self, key: None, ended: ctx.cancelled() }.await?,
        };
        Ok((found == Found::Mine).then(|| Mine::new(self)))
    }

    /// The same for a thread, which is blocked.
    ///
    /// # Panics
    ///
    /// If this very thread has the turn.
    pub(super) fn mine_blocking(&self) -> Option<Mine<'_>> {
        let found = self.try_take_blocking().unwrap_or_else(|| self.park());
        (found == Found::Mine).then(|| Mine::new(self))
    }

    fn park(&self) -> Found {
        assert!(!self.waits_for_itself(), "what makes the value asks for the value");
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut key = None;
        loop {
            match self.poll(&mut key, &waker) {
                Poll::Ready(Found::Mine) => {
                    self.blocks();
                    return Found::Mine;
                }
                Poll::Ready(Found::Over) => return Found::Over,
                Poll::Pending => thread::park(),
            }
        }
    }
}

impl Future for Wait<'_> {
    type Output = Result<Found, Ended>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let wait = &mut *self;
        match wait.turns.poll(&mut wait.key, cx.waker()) {
            Poll::Ready(found) => Poll::Ready(Ok(found)),
            Poll::Pending => Pin::new(&mut wait.ended).poll(cx).map(|cause| Err(cause.into())),
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.turns.leave(key);
        }
    }
}
