//! What all calls under a throttle have in common.

use super::{Permit, Throttle};
use crate::context::{Context, Ended};
use crate::resilience::admitted::Admit;
use crate::resilience::clock::Clock;
use crate::resilience::{Classify, Outcome, Refusal};
use crate::time::Instant;

impl<C> Admit for Throttle<C> {
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
        permit.says(classify.load(result), Clock);
    }

    fn cut(permit: &mut Permit<'_>, ended: &Ended) {
        permit.says(Outcome::of_end(ended), Clock);
    }
}
