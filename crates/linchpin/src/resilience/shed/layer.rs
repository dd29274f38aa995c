//! What all calls under a shedder have in common.

use super::{Permit, Shedder};
use crate::context::{Context, Ended};
use crate::resilience::admitted::Admit;
use crate::resilience::{Classify, Outcome, Refusal};
use crate::time::Instant;

impl<C> Admit for Shedder<C> {
    type Permit<'a>
        = Permit<'a>
    where
        C: 'a;
    type Classify = C;

    #[inline]
    fn let_in(&self, ctx: &Context) -> Result<Permit<'_>, Refusal> {
        self.admit(ctx, Instant::now())
    }

    #[inline]
    fn let_in_owned(&self, ctx: &Context) -> Result<Permit<'static>, Refusal>
    where
        C: 'static,
    {
        self.admit_owned(ctx, Instant::now())
    }

    fn classifier(&self) -> &C {
        &self.classify
    }

    #[inline]
    fn says<T, E>(classify: &C, permit: &mut Permit<'_>, result: Result<&T, &E>)
    where
        C: Classify<T, E>,
    {
        permit.says(classify.classify(result));
    }

    fn cut(permit: &mut Permit<'_>, ended: &Ended) {
        permit.says(Outcome::of_end(ended));
    }
}
