//! What all calls under a breaker have in common.

use super::{Breaker, Permit, says};
use crate::context::{Context, Ended};
use crate::resilience::admitted::Admit;
use crate::resilience::clock::Clock;
use crate::resilience::held::Held;
use crate::resilience::{Classify, Outcome, Refusal};

impl<C> Admit for Breaker<C> {
    type Permit<'a>
        = Permit<'a>
    where
        C: 'a;
    type Classify = C;

    #[inline]
    fn pass(&self) -> Option<Permit<'_>> {
        let ticket = self.core.pass(Clock)?;
        Some(Permit::new(Held::Borrowed(&*self.core), ticket))
    }

    #[inline]
    fn pass_owned(&self) -> Option<Permit<'static>>
    where
        C: 'static,
    {
        let ticket = self.core.pass(Clock)?;
        Some(Permit::new(Held::Owned(self.core.clone()), ticket))
    }

    #[inline]
    fn let_in(&self, _: &Context) -> Result<Permit<'_>, Refusal> {
        self.admit_by(Clock)
    }

    #[inline]
    fn let_in_owned(&self, _: &Context) -> Result<Permit<'static>, Refusal>
    where
        C: 'static,
    {
        self.own(Clock)
    }

    fn classifier(&self) -> &C {
        &self.classify
    }

    #[inline]
    fn says<T, E>(classify: &C, permit: &mut Permit<'_>, result: Result<&T, &E>)
    where
        C: Classify<T, E>,
    {
        says(classify, permit, result);
    }

    fn cut(permit: &mut Permit<'_>, ended: &Ended) {
        permit.says(Outcome::of_end(ended), None, Clock);
    }
}
