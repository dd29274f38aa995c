//! What all calls under an adaptive limit have in common.

use super::{Adaptive, Ending, Permit};
use crate::context::{Context, Ended};
use crate::resilience::admitted::Admit;
use crate::resilience::{Classify, Outcome, Refusal};
use crate::time::Instant;

impl<C> Admit for Adaptive<C> {
    type Permit<'a>
        = Permit<'a>
    where
        C: 'a;
    type Classify = C;

    #[inline]
    fn let_in(&self, _: &Context) -> Result<Permit<'_>, Refusal> {
        self.admit(Instant::now())
    }

    #[inline]
    fn let_in_owned(&self, _: &Context) -> Result<Permit<'static>, Refusal>
    where
        C: 'static,
    {
        self.admit_owned(Instant::now())
    }

    fn classifier(&self) -> &C {
        &self.classify
    }

    #[inline]
    fn says<T, E>(classify: &C, permit: &mut Permit<'_>, result: Result<&T, &E>)
    where
        C: Classify<T, E>,
    {
        permit.says(if classify.overloaded(result) {
            Ending::Overloaded
        } else {
            classify.classify(result).into()
        });
    }

    fn cut(permit: &mut Permit<'_>, ended: &Ended) {
        permit.says(match Outcome::of_end(ended) {
            Outcome::Failure => Ending::Overloaded,
            outcome => outcome.into(),
        });
    }
}
