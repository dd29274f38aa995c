//! The rules of all policies.

use std::time::Duration;

use linchpin::resilience::BadOptions;
use linchpin::resilience::bulkhead::{Bulkhead, Discipline, Options};

use super::{crowd, ms, patient, queue};
use crate::policy_rules::Subject;

struct Place(Bulkhead);

impl Subject for Place {
    fn narrow() -> Self {
        Self(Bulkhead::new("narrow", 1, Options::default()).unwrap())
    }

    crate::policy_rules::calls!();

    fn is_untouched(&self) -> bool {
        crowd(&self.0) == (0, 0) && self.0.numbers().failures == 0
    }

    fn counted_a_failure(&self) -> bool {
        crowd(&self.0) == (0, 0) && self.0.numbers().failures == 1
    }

    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
        let usual = Options::default();
        let codel = |target, interval| {
            Options::default().max_queue(1).discipline(Discipline::CoDel { target, interval })
        };
        let most = linchpin::sync::semaphore::Semaphore::MAX_PERMITS;
        [
            ("no place", 0, usual),
            ("all places", usize::MAX, usual),
            ("the most places", most, usual),
            ("one more than the most", most + 1, usual),
            ("a queue without a wait", 1, usual.max_queue(1)),
            ("a wait without a queue", 1, usual.max_wait(ms(1))),
            ("a queue of all", 1, patient(usize::MAX)),
            ("a wait of a nanosecond", 1, queue(1, Duration::from_nanos(1))),
            ("a wait of nearly for ever", 1, queue(1, Duration::MAX / 2)),
            ("the newest of all", 1, patient(usize::MAX).discipline(Discipline::Lifo)),
            ("no target", 1, codel(Duration::ZERO, ms(1))),
            ("no interval", 1, codel(Duration::ZERO, Duration::ZERO)),
            ("a target as the interval", 1, codel(ms(1), ms(1))),
            ("an interval for ever", 1, codel(ms(1), Duration::MAX)),
            ("the shortest", 1, codel(Duration::from_nanos(1), Duration::from_nanos(2))),
        ]
        .into_iter()
        .map(|(name, places, options)| (name, Bulkhead::new("extreme", places, options).map(Self)))
        .collect()
    }
}

crate::policy_rules::rules!(Place);
