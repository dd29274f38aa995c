//! Schedule: delays, jitter, and what is refused.

use std::time::Duration;

use linchpin::resilience::retry::{Jitter, Schedule};
use proptest::prelude::*;

fn seconds(list: impl IntoIterator<Item = u64>) -> Schedule {
    Schedule::new(list.into_iter().map(Duration::from_secs)).unwrap()
}

#[test]
fn one_retry_for_each_delay_and_then_none() {
    let schedule = seconds([5, 300]);
    assert_eq!(schedule.retries(), 2);
    let delays: Vec<_> = (0..3).map(|retry| schedule.delay(retry, 0.9)).collect();
    assert_eq!(delays, [Some(Duration::from_secs(5)), Some(Duration::from_mins(5)), None]);
    assert_eq!(seconds([]).delay(0, 0.0), None);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let fault = Schedule::new([Duration::MAX]).unwrap_err().to_string();
    assert!(fault.contains("over a year"), "{fault}");
    for share in [-0.1, 1.1, f64::NAN] {
        let fault = seconds([1]).jitter(Jitter::Added(share)).unwrap_err().to_string();
        assert!(fault.contains("between 0.0 and 1.0"), "{fault}");
    }
}

proptest! {
    #[test]
    fn added_jitter_is_never_early(delay in 0_u64..100_000, share in 0.0..=1.0, u in 0.0..1.0) {
        let schedule = seconds([delay]).jitter(Jitter::Added(share)).unwrap();
        let got = schedule.delay(0, u).unwrap();
        let promised = Duration::from_secs(delay);
        prop_assert!(got >= promised && got <= promised.mul_f64(1.0 + share) + Duration::from_nanos(1));
    }

    #[test]
    fn full_jitter_is_never_late(delay in 0_u64..100_000, u in 0.0..1.0) {
        let schedule = seconds([delay]).jitter(Jitter::Full).unwrap();
        prop_assert!(schedule.delay(0, u).unwrap() <= Duration::from_secs(delay));
    }
}
