//! A shedder before each call of a tower service.

use super::{Permit, Shedder, conclude};
use crate::context::Context;
use crate::resilience::admitted::Admit;
use crate::resilience::{Classify, Failed, Refusal};
use crate::time::Instant;

static ROOT: Context = Context::root();

impl<C: Clone> Admit for Shedder<C> {
    type Permit = Permit<'static>;
    type Classify = C;

    fn admit_one(&self) -> Result<Self::Permit, Refusal> {
        self.admit_owned(&ROOT, Instant::now())
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
