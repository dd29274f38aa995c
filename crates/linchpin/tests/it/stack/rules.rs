//! The rules of all policies, for stacks of some of them and of all.

use linchpin::Context;
use linchpin::resilience::breaker;
use linchpin::resilience::limiter::{self, Rate};
use linchpin::resilience::shed::Load;
use linchpin::resilience::stack::Stack;
use linchpin::resilience::{BadOptions, Failed};

use super::{SECOND, at_once, client};
use crate::policy_rules::{Sick, Subject};

macro_rules! subject {
    ($name:ident, $narrow:expr) => {
        struct $name(Stack);

        impl Subject for $name {
            fn narrow() -> Self {
                Self($narrow.build().unwrap())
            }

            async fn call<T, Fut>(
                &self,
                ctx: &Context,
                work: impl FnOnce() -> Fut,
            ) -> Result<T, Failed<Sick>>
            where
                Fut: Future<Output = Result<T, Sick>>,
            {
                let mut work = Some(work);
                let once = |_| work.take().expect("one attempt")();
                self.0.call(ctx, once).await
            }

            fn is_untouched(&self) -> bool {
                is_untouched(&self.0)
            }

            fn counted_a_failure(&self) -> bool {
                self.0.breaker().is_none_or(|breaker| breaker.numbers().failures == 1)
            }

            fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
                let extremes = [
                    ("the shortest", client().deadline(std::time::Duration::from_nanos(1))),
                    ("no deadline", client().deadline(std::time::Duration::ZERO)),
                    ("for ever", client().deadline(std::time::Duration::MAX)),
                    ("nothing at all", client()),
                    ("no place", client().bulkhead(0)),
                    ("all places", client().bulkhead(usize::MAX)),
                ];
                extremes.map(|(name, builder)| (name, builder.build().map(Self))).into()
            }
        }
    };
}

fn is_untouched(stack: &Stack) -> bool {
    let breaker = stack.breaker().is_none_or(|breaker| {
        let numbers = breaker.numbers();
        (numbers.calls, numbers.failures, numbers.probes) == (0, 0, 0)
    });
    let shed = stack.shedder().is_none_or(|shedder| shedder.numbers().inflight == 0);
    breaker && shed && stack.bulkhead().is_none_or(|bulkhead| bulkhead.free() == 1)
}

subject!(
    Whole,
    client()
        .retry(at_once().max_attempts(1))
        .breaker(breaker::Options::default().open_for(SECOND))
        .limiter((Rate::per_second(1), limiter::Options::default().burst(1_000_000)))
        .bulkhead(1)
        .timeout(10 * SECOND)
        .deadline(30 * SECOND)
);
subject!(Bare, client());
subject!(Crowded, client().bulkhead(1));
subject!(
    Served,
    Stack::server("test")
        .shed(crate::shed::options(&Load::given()))
        .bulkhead(1)
        .deadline(30 * SECOND)
);

mod whole {
    crate::policy_rules::rules!(super::Whole);
}
mod bare {
    crate::policy_rules::rules!(super::Bare);
}
mod crowded {
    crate::policy_rules::rules!(super::Crowded);
}
mod served {
    crate::policy_rules::rules!(super::Served);
}
