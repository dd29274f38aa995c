//! A breaker before each call of a tower service.

use super::{Breaker, Permit, conclude};
use crate::resilience::admitted::Admit;
use crate::resilience::clock::Clock;
use crate::resilience::{Classify, Failed, Refusal};

impl<C: Clone> Admit for Breaker<C> {
    type Permit = Permit<'static>;
    type Classify = C;

    fn admit_one(&self) -> Result<Self::Permit, Refusal> {
        self.own(Clock)
    }

    fn classifier(&self) -> &C {
        &self.classify
    }

    fn conclude<T, E>(
        classify: &C,
        permit: Self::Permit,
        result: Result<T, E>,
    ) -> Result<T, Failed<E>>
    where
        C: Classify<T, E>,
    {
        conclude(classify, permit, result)
    }
}
