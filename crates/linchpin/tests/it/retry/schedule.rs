//! Schedule: delays, jitter, and what is refused.

use std::time::Duration;

use linchpin::resilience::retry::{Jitter, Pace, Schedule};
use proptest::prelude::*;

fn seconds(list: impl IntoIterator<Item = u64>) -> Schedule {
    Schedule::new(list.into_iter().map(Duration::from_secs)).unwrap()
}

#[test]
fn one_retry_for_each_delay_and_then_none() {
    let schedule = seconds([5, 300]);
    assert_eq!(schedule.retries(), Some(2));
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

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// The delays in milliseconds, for the same `u` each time.
fn course(schedule: &Schedule, u: f64, retries: usize) -> Vec<f64> {
    let mut pace = Pace::default();
    let next = |_| schedule.next(&mut pace, u).expect("it goes on").as_secs_f64() * 1e3;
    (0..retries).map(next).collect()
}

#[test]
fn each_course_is_that_of_its_formula() {
    let base = 100 * MS;
    let doubled = || Schedule::exponential(base, 2.0, SECOND).unwrap();
    let with = |jitter| doubled().jitter(jitter).unwrap();
    let rows: [(&str, Schedule, f64, &[f64]); 11] = [
        ("R1: exponential", with(Jitter::None), 0.5, &[100., 200., 400., 800., 1000., 1000.]),
        ("R2: full", doubled(), 0.5, &[50., 100., 200., 400., 500.]),
        ("R2: equal", with(Jitter::Equal), 0.5, &[75., 150., 300., 600., 750.]),
        (
            "R2: decorrelated",
            Schedule::decorrelated(base, SECOND).unwrap(),
            0.5,
            &[200., 350., 575., 912.5, 1000.],
        ),
        (
            "R2: smooth",
            Schedule::smooth(SECOND, 20 * SECOND).unwrap(),
            0.5,
            &[897.4, 1093.0, 2035.7, 4046.0, 8083.6],
        ),
        ("constant", Schedule::constant(base).unwrap(), 0.9, &[100., 100., 100.]),
        ("linear", Schedule::linear(base, 250 * MS).unwrap(), 0.9, &[100., 200., 250., 250.]),
        ("plus-minus, least", with(Jitter::PlusMinus(0.2)), 0.0, &[80., 160., 320.]),
        ("plus-minus, most", with(Jitter::PlusMinus(0.5)), 1.0, &[150., 300., 600., 1200., 1500.]),
        ("added", with(Jitter::Added(0.2)), 0.5, &[110., 220., 440.]),
        ("full, no luck", doubled(), 0.0, &[0., 0., 0.]),
    ];
    for (name, schedule, u, delays) in rows {
        let got = course(&schedule, u, delays.len());
        let is_near = |(got, said): (&f64, &f64)| (got - said).abs() < 0.05;
        assert!(got.iter().zip(delays).all(is_near), "{name}: {got:?}");
    }
}

#[test]
fn r3_no_retry_is_too_late_for_any_course() {
    for n in [0, 63, 64, 1_023, 1_024, 2_000, usize::MAX] {
        let base = 50 * MS;
        for (schedule, is_short) in [
            (
                Schedule::exponential(base, 2.0, SECOND).unwrap().jitter(Jitter::None).unwrap(),
                n == 0,
            ),
            (Schedule::linear(base, SECOND).unwrap(), n == 0),
            (Schedule::decorrelated(base, SECOND).unwrap(), n == 0),
            (Schedule::smooth(base, SECOND).unwrap(), n == 0),
        ] {
            let delay = schedule.delay(n, 0.9).unwrap();
            assert_eq!(delay != SECOND, is_short, "{schedule:?} at {n}: {delay:?}");
        }
        for schedule in [
            Schedule::exponential(Duration::ZERO, 2.0, SECOND).unwrap(),
            Schedule::linear(Duration::ZERO, SECOND).unwrap(),
            Schedule::decorrelated(Duration::ZERO, SECOND).unwrap(),
            Schedule::smooth(Duration::ZERO, SECOND).unwrap(),
        ] {
            assert_eq!(schedule.delay(n, 0.9), Some(Duration::ZERO), "{schedule:?} at {n}");
        }
    }
}

#[test]
fn a_number_alone_stands_for_a_course_without_luck() {
    for schedule in [
        Schedule::decorrelated(100 * MS, 20 * SECOND).unwrap(),
        Schedule::smooth(100 * MS, 20 * SECOND).unwrap(),
    ] {
        for (retry, delay) in course(&schedule, 0.5, 10).into_iter().enumerate() {
            let got = schedule.delay(retry, 0.5).unwrap().as_secs_f64() * 1e3;
            assert!((got - delay).abs() < 1e-3, "{schedule:?} at {retry}: {got}, {delay}");
        }
    }
}

#[test]
fn a_course_that_makes_no_sense_is_refused() {
    for (built, why) in [
        (Schedule::exponential(2 * SECOND, 2.0, SECOND), "a cap of 1s is below the base of 2s"),
        (Schedule::exponential(MS, 0.5, SECOND), "a factor of 0.5 would make the delays shorter"),
        (Schedule::exponential(MS, f64::NAN, SECOND), "a factor of NaN"),
        (Schedule::linear(MS, Duration::MAX), "over a year"),
        (Schedule::constant(Duration::MAX), "over a year"),
        (
            Schedule::smooth(MS, SECOND).and_then(|smooth| smooth.jitter(Jitter::Full)),
            "a schedule that has its own chance takes no other",
        ),
    ] {
        let fault = built.unwrap_err().to_string();
        assert!(fault.contains(why), "{fault}");
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

    #[test]
    fn every_delay_is_within_its_bounds(
        base in 0_u64..10_000,
        more in 0_u64..100_000,
        factor in 1.0..10.0,
        us in prop::collection::vec(0.0..1.0, 1..100),
    ) {
        let (base, cap) = (base as u32 * MS, (base + more) as u32 * MS);
        let exact = Schedule::exponential(base, factor, cap).unwrap().jitter(Jitter::None).unwrap();
        let jittered = |jitter| exact.clone().jitter(jitter).unwrap();
        let nanosecond = Duration::from_nanos(2);
        let all = [
            jittered(Jitter::Full),
            jittered(Jitter::Equal),
            jittered(Jitter::PlusMinus(0.2)),
            Schedule::decorrelated(base, cap).unwrap(),
            Schedule::smooth(base, cap).unwrap(),
        ];
        let mut paces = [Pace::default(); 6];
        for (n, u) in us.into_iter().enumerate() {
            let raw = exact.next(&mut paces[5], u).unwrap();
            let formula = base.as_secs_f64() * factor.powi(n as i32);
            prop_assert!(raw <= cap);
            prop_assert!((raw.as_secs_f64() - formula.min(cap.as_secs_f64())).abs() < 1e-6);
            let delays: Vec<Duration> =
                all.iter().zip(&mut paces).map(|(one, pace)| one.next(pace, u).unwrap()).collect();
            let [full, equal, either, decorrelated, smooth] = delays[..] else { panic!("five") };
            prop_assert!(full <= raw + nanosecond);
            prop_assert!(equal + nanosecond >= raw / 2 && equal <= raw + nanosecond);
            prop_assert!(either + nanosecond >= raw.mul_f64(0.8));
            prop_assert!(either <= raw.mul_f64(1.2) + nanosecond);
            prop_assert!(decorrelated + nanosecond >= base && decorrelated <= cap);
            prop_assert!(smooth <= cap);
        }
    }
}
