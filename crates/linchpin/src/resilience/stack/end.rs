//! What an attempt came to, and who is told.

use super::taken::{Holding, Said};
use crate::context::Ended;
use crate::resilience::adaptive::Ending;
use crate::resilience::timeout::Cut;
use crate::resilience::{Classify, Failed, FailedKind, Outcome};
use crate::time::Instant;

/// What an attempt came to.
pub(super) enum End<T, E> {
    /// The context ended, while the work ran or before.
    Ended(Ended, bool),
    Said(Result<T, Failed<E>>),
}

impl<T, E> From<End<T, E>> for Result<T, Failed<E>> {
    #[inline]
    fn from(end: End<T, E>) -> Self {
        match end {
            End::Ended(ended, _) => Err(ended.into()),
            End::Said(result) => result,
        }
    }
}

/// Tells the policies how the work ended.
#[inline]
pub(super) fn conclude<T, E, C: Classify<T, E>>(
    classify: &C,
    holding: Holding<'_, C>,
    result: Result<Result<T, E>, Cut>,
    now: Option<Instant>,
) -> End<T, E> {
    match result {
        Ok(result) => {
            let parts = holding.parts();
            let outcome = classify.classify(result.as_ref());
            let mut said = Said::plain(outcome);
            if outcome == Outcome::Failure {
                said.hint = classify.retry_after(result.as_ref());
            }
            if parts.throttle.is_some() {
                said.load = classify.load(result.as_ref());
            }
            if parts.adaptive.is_some() && classify.overloaded(result.as_ref()) {
                said.ending = Ending::Overloaded;
            }
            holding.settle(said, now);
            End::Said(result.map_err(|error| FailedKind::Callee(error).into()))
        }
        Err(Cut::TimedOut) => {
            holding.settle(Said::cut(Outcome::Failure), now);
            End::Said(Err(FailedKind::TimedOut.into()))
        }
        Err(Cut::Ended(ended)) => {
            holding.settle(Said::cut(Outcome::of_end(&ended)), now);
            End::Ended(ended, true)
        }
    }
}
