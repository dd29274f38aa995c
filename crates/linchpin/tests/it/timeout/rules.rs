//! The rules of all policies.

use std::time::Duration;

use linchpin::resilience::BadOptions;
use linchpin::resilience::timeout::{Numbers, Timeout};

use super::{SECOND, timeout};
use crate::policy_rules::Subject;

struct Limited(Timeout);

impl Subject for Limited {
    fn narrow() -> Self {
        Self(timeout(SECOND))
    }

    crate::policy_rules::calls!();

    fn is_untouched(&self) -> bool {
        self.0.numbers() == Numbers::default()
    }

    /// It counts none.
    fn counted_a_failure(&self) -> bool {
        true
    }

    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
        let year = Duration::from_hours(365 * 24);
        [
            ("no time", Duration::ZERO),
            ("the shortest time", Duration::from_nanos(1)),
            ("a year", year),
            ("longer than a year", year + SECOND),
            ("for ever", Duration::MAX),
        ]
        .map(|(name, limit)| (name, Timeout::new("extreme", limit).map(Self)))
        .into()
    }
}

mod limited {
    crate::policy_rules::rules!(super::Limited);
}

#[test]
fn no_limit_is_no_limit_of_zero() {
    let bad = Timeout::new("test", Duration::ZERO).unwrap_err().to_string();
    assert_eq!(bad, "bad options for Timeout: a limit of 0ns; say above zero and at most a year");
    let shown = timeout(SECOND).snapshot().to_string();
    assert_eq!(shown, "timeout `test`: ready, limit 1, fired 0, late 0, abandoned 0");
}
