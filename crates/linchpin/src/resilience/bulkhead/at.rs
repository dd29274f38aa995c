//! Coming to a bulkhead with a priority and a weight.

use super::Bulkhead;
use super::confining::Confining;
use super::core::Held;
use super::permit::Permit;
use super::turn::Turn;
use crate::context::Context;
use crate::resilience::{Failed, Priority, Refusal};

/// A [`Bulkhead`] for those of another priority or weight: the result of [`Bulkhead::at`] and [`Bulkhead::weighing`].
#[derive(Clone, Copy, Debug)]
#[must_use = "it does nothing by itself"]
pub struct At<'a> {
    bulkhead: &'a Bulkhead,
    priority: Option<Priority>,
    weight: usize,
}

impl<'a> At<'a> {
    pub(super) fn new(bulkhead: &'a Bulkhead) -> Self {
        Self { bulkhead, priority: None, weight: 1 }
    }

    /// The same with that priority, whatever the context says.
    pub fn at(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// The same for what takes so many places.
    pub fn weighing(mut self, places: usize) -> Self {
        self.weight = places;
        self
    }

    /// As [`Bulkhead::call`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub fn call<T, E, F, Fut>(
        self,
        ctx: &Context,
        work: F,
    ) -> impl Future<Output = Result<T, Failed<E>>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Confining::new(self, ctx, work)
    }

    /// As [`Bulkhead::enter`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    #[inline]
    pub async fn enter(self, ctx: &Context) -> Result<Permit<'a>, Failed> {
        if self.take(ctx)? {
            return Ok(self.permit(self.borrowed()));
        }
        self.turn(self.borrowed(), ctx).await
    }

    /// As [`Bulkhead::enter_owned`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    #[inline]
    pub async fn enter_owned(self, ctx: &Context) -> Result<Permit<'static>, Failed> {
        if self.take(ctx)? {
            return Ok(self.permit(self.owned()));
        }
        self.turn(self.owned(), ctx).await
    }

    /// As [`Bulkhead::try_enter`].
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn try_enter(self) -> Result<Permit<'a>, Refusal> {
        self.try_take().map(|()| self.permit(self.borrowed()))
    }

    /// As [`Bulkhead::try_enter_owned`].
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn try_enter_owned(self) -> Result<Permit<'static>, Refusal> {
        self.try_take().map(|()| self.permit(self.owned()))
    }

    // ----- inside

    /// Whether it has the places at once.
    #[inline]
    pub(super) fn take<E>(self, ctx: &Context) -> Result<bool, Failed<E>> {
        ctx.check()?;
        Ok(self.bulkhead.core.take(self.weight))
    }

    fn try_take(self) -> Result<(), Refusal> {
        if self.bulkhead.core.take(self.weight) {
            return Ok(());
        }
        Err(self.bulkhead.core.refuse_now(self.weight))
    }

    pub(super) fn turn<'h, 'c, E>(self, core: Held<'h>, ctx: &'c Context) -> Turn<'h, 'c, E> {
        Turn::new(core, ctx, self.weight, self.priority)
    }

    #[inline]
    pub(super) fn permit(self, core: Held<'_>) -> Permit<'_> {
        Permit::new(core, self.weight)
    }

    pub(super) fn borrowed(self) -> Held<'a> {
        Held::Borrowed(&self.bulkhead.core)
    }

    fn owned(self) -> Held<'static> {
        Held::Owned(self.bulkhead.core.clone())
    }
}
