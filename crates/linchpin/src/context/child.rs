//! A context with an owner.

use std::fmt;
use std::ops::Deref;

use super::{Cause, Context};

/// A [`Context`] with an owner: whoever holds the `Child` decides when it ends.
///
/// Dropping it ends the context with [`Cause::Dropped`], by cancellation and by panic too. Use
/// [`disarm`](Child::disarm) when the context must live on without an owner.
#[must_use = "dropping the child ends its context at once"]
pub struct Child {
    /// The root once it is disarmed: nobody can end that.
    context: Context,
}

impl Child {
    pub(super) fn new(context: Context) -> Self {
        Self { context }
    }

    /// Ends the context with `cause`. The first cause stays, a deadline that has passed unseen included; ending twice
    /// is harmless.
    ///
    /// Wakes exactly those who wait on the context or below, and runs their [callbacks](Context::after), on this
    /// thread and under no lock. The work does not depend on how many children there are.
    pub fn cancel(&self, cause: impl Into<Cause>) {
        if let Some(node) = &self.context.0 {
            node.finish_with(cause.into());
        }
    }

    /// Gives the context free: it then ends only with its parent or its deadline.
    pub fn disarm(mut self) -> Context {
        std::mem::take(&mut self.context)
    }
}

impl Deref for Child {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Whom an end above reached has been told, and nobody else is there to be.
        if let Some(node) = &self.context.0
            && !node.is_unseen()
            && node.noticed().is_none()
        {
            node.finish_with(Cause::Dropped);
        }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Child").field(&self.context).finish()
    }
}
