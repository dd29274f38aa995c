//! Makes calls fail, wait or lie on purpose, to see that what stands around them does its work.
//!
//! Compiled in by the feature `chaos` alone. Without it there is [`Chaos::off`] and nothing else: a type without size
//! whose calls are those of the callee, so that what is built with it compiles both ways. With it an injection still
//! needs three things: somebody who says so and for how long (`enable`, for an hour at most), a call that is on the list,
//! and a rate that is not zero.
//!
//! ```text
//!          enable(for a time)
//!   off ────────────────────────▶ on: each call on the list, by chance
//!    ▲                             │     fault ─▶ an error, and that is all
//!    └─────────────────────────────┘     latency ─▶ waits, then goes on
//!      disable, at once; or the time     outcome ─▶ an answer, and that is all
//!      is over                           behaviour ─▶ does something, then goes on ─▶ the callee ─▶ cut ─▶ what is left of
//!                                                                                                         the answer
//! ```
//!
//! It belongs innermost, next to the callee: everything around it is what is put to the test. Rates compound: with 2 % of
//! faults and 50 % of latency, half of the other 98 % wait. As Polly's chaos strategies, except that a rate which is no
//! share is an error and not clamped, and that it ends by itself.

#[cfg(feature = "chaos")]
mod core;
#[cfg(feature = "chaos")]
mod injected;
#[cfg(feature = "chaos")]
mod meters;
#[cfg(feature = "chaos")]
mod options;
#[cfg(feature = "chaos")]
mod scope;
#[cfg(feature = "chaos")]
mod service;
#[cfg(not(feature = "chaos"))]
#[path = "service_off.rs"]
mod service;
#[cfg(feature = "chaos")]
mod switch;

use std::fmt;
#[cfg(not(feature = "chaos"))]
use std::marker::PhantomData;
#[cfg(feature = "chaos")]
use std::sync::Arc;

#[cfg(feature = "chaos")]
use self::core::Core;
#[cfg(feature = "chaos")]
pub use self::core::Numbers;
#[cfg(feature = "chaos")]
pub use self::injected::{Injected, Kind};
#[cfg(feature = "chaos")]
pub use self::options::{Options, Rate};
#[cfg(feature = "chaos")]
pub use self::service::ChaoticFuture;
pub use self::service::{Chaotic, Layer};
use crate::context::Context;
use crate::resilience::{Failed, FailedKind};

/// Injects what goes wrong into calls that answer with `T` or fail with `E`. Clones are one.
///
/// ```
/// # use linchpin::{Context, resilience::chaos::Chaos};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let ctx = Context::root();
/// let chaos: Chaos<u32, std::io::Error> = Chaos::off();
/// let answer = chaos.call(&ctx, || async { Ok(7) }).await;
/// assert_eq!(answer.unwrap(), 7);
/// # }
/// ```
pub struct Chaos<T, E> {
    #[cfg(feature = "chaos")]
    core: Option<Arc<Core<T, E>>>,
    #[cfg(not(feature = "chaos"))]
    nothing: PhantomData<fn() -> Result<T, E>>,
}

impl<T, E> Chaos<T, E> {
    /// What never does anything, with the feature and without.
    #[must_use]
    pub const fn off() -> Self {
        Self {
            #[cfg(feature = "chaos")]
            core: None,
            #[cfg(not(feature = "chaos"))]
            nothing: PhantomData,
        }
    }

    /// Runs `work`, or what is injected, under `ctx`.
    ///
    /// # Errors
    ///
    /// `Ended` if the context has ended, before or meanwhile; else what `work` failed with, or the error that is injected,
    /// as `Callee` both: a policy around it cannot tell them apart.
    ///
    /// # Panics
    ///
    /// If `work` does, or what the options call.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work` where it stands, or ends the wait that is injected.
    pub async fn call<F, Fut>(&self, ctx: &Context, work: F) -> Result<T, Failed<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.attempt(ctx, 0, work).await
    }

    /// The same for the attempt of that number: where chance is drawn from the id of the request, each attempt has a draw
    /// of its own, unless the options say that all share one.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    ///
    /// # Panics
    ///
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    pub async fn attempt<F, Fut>(&self, ctx: &Context, number: u32, work: F) -> Result<T, Failed<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        ctx.check()?;
        #[cfg(feature = "chaos")]
        let scope = self.core.as_ref().and_then(|core| core.scope(ctx, number));
        #[cfg(feature = "chaos")]
        if let Some(scope) = &scope
            && let Some(result) = scope.before(ctx).await?
        {
            return result.map_err(|error| FailedKind::Callee(error).into());
        }
        #[cfg(not(feature = "chaos"))]
        let _ = number;
        // A context that never ends needs nobody who looks whether it has.
        let result = if ctx.never_ends() { work().await } else { ctx.run_on(work()).await? };
        #[cfg(feature = "chaos")]
        let result = match scope {
            Some(scope) => result.and_then(|answer| scope.after_the_call(ctx, answer)),
            None => result,
        };
        result.map_err(|error| FailedKind::Callee(error).into())
    }

    /// Injects into each call of a tower service. `context` gives that of a request, by which it is looked up in the list;
    /// [`Context::root`] where there is none. See [`Chaotic`].
    pub fn layer<F>(&self, context: F) -> Layer<T, E, F> {
        Layer::new(self.clone(), context)
    }
}

impl<T, E> Clone for Chaos<T, E> {
    fn clone(&self) -> Self {
        Self {
            #[cfg(feature = "chaos")]
            core: self.core.clone(),
            #[cfg(not(feature = "chaos"))]
            nothing: PhantomData,
        }
    }
}

impl<T, E> Default for Chaos<T, E> {
    /// [`Chaos::off`].
    fn default() -> Self {
        Self::off()
    }
}

impl<T, E> fmt::Debug for Chaos<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(feature = "chaos")]
        if let Some(core) = &self.core {
            return f
                .debug_struct("Chaos")
                .field("name", &core.name)
                .field("numbers", &core.numbers())
                .finish_non_exhaustive();
        }
        f.debug_struct("Chaos").finish_non_exhaustive()
    }
}
