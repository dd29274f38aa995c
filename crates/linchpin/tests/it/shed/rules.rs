//! The rules of all policies.

use linchpin::resilience::shed::{Load, Options, Shedder};
use linchpin::resilience::{BadOptions, Priority};

use super::shedder;
use crate::policy_rules::Subject;

struct Calm(Shedder);

impl Subject for Calm {
    fn narrow() -> Self {
        Self(shedder(&Load::given()))
    }

    crate::policy_rules::calls!();

    fn is_untouched(&self) -> bool {
        let numbers = self.0.numbers();
        (numbers.inflight, numbers.shed) == (0, 0)
    }

    /// A failure says nothing of what the service bears.
    fn counted_a_failure(&self) -> bool {
        self.is_untouched()
    }

    fn extremes() -> Vec<(&'static str, Result<Self, BadOptions>)> {
        let plain = || Options::default().load(Load::given());
        [
            ("no threshold", plain().threshold(0.0)),
            ("the least threshold", plain().threshold(f64::MIN_POSITIVE)),
            ("a threshold of all", plain().threshold(1.0)),
            ("just below all", plain().threshold(1.0 - f64::EPSILON)),
            ("no number", plain().threshold(f64::NAN)),
            ("no retry at all", plain().no_retry_above(0.0)),
            ("always a retry", plain().no_retry_above(1.0)),
            ("more than always", plain().no_retry_above(1.1)),
            ("a window of nothing", plain().window(Priority::Critical, 0.5, 0.5)),
            ("upside down", plain().window(Priority::Critical, 0.6, 0.5)),
            ("the widest window", plain().window(Priority::Critical, 0.0, 1.0)),
            ("wider", plain().window(Priority::Critical, 0.0, 1.5)),
            ("a window without number", plain().window(Priority::Critical, f64::NAN, 1.0)),
            ("in time", plain().in_time()),
        ]
        .into_iter()
        .map(|(name, options)| (name, Shedder::new("extreme", options).map(Self)))
        .collect()
    }
}

crate::policy_rules::rules!(Calm);

#[test]
fn each_mistake_is_named() {
    let plain = || Options::default().load(Load::given());
    for (options, why) in [
        (plain().threshold(1.0), "a threshold of 1 of the processors; say between 0.0 and 1.0"),
        (plain().no_retry_above(2.0), "`no_retry_above` is 2; say from 0.0 to 1.0"),
        (
            plain().window(Priority::Sheddable, 0.8, 0.6),
            "what is sheddable is shed from 0.8 to 0.6; say from 0.0 up to 1.0, low before high",
        ),
    ] {
        let bad = Shedder::new("test", options).unwrap_err().to_string();
        assert_eq!(bad, format!("bad options for Shedder: {why}"));
    }
}
