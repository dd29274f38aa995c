//! What callees ask for in headers.

use std::time::Duration;

use linchpin::resilience::retry::retry_after::{Pushback, parse, pushback, rate_limit};
use linchpin::time::Timestamp;
use proptest::prelude::*;

fn now() -> Timestamp {
    "1994-11-06T08:49:30Z".parse().unwrap()
}

#[test]
fn a_retry_after_is_seconds_or_a_date_and_anything_else_is_no_hint() {
    let rows: [(&str, Option<u64>); 22] = [
        ("2", Some(2)),
        (" 61\t", Some(61)),
        ("007", Some(7)),
        ("99999999999999999999999999", Some(u64::MAX)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", Some(7)),
        ("Sun Nov  6 08:49:37 1994", Some(7)),
        ("0", None),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("1e3", None),
        ("abc", None),
        ("", None),
        ("2 s", None),
        ("٢", None),
        ("Sun, 06 Nov 1994 08:49:30 GMT", None),
        ("Sun, 06 Nov 1994 08:49:29 GMT", None),
        ("Mon, 06 Nov 1994 08:49:37 GMT", None),
        ("Sun, 31 Feb 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 CET", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT, x", None),
    ];
    for (text, wait) in rows {
        assert_eq!(parse(text, now()), wait.map(Duration::from_secs), "{text:?}");
    }
}

#[test]
fn a_pushback_that_is_no_number_says_never() {
    for (text, said) in [
        ("0", Pushback::After(Duration::ZERO)),
        ("250", Pushback::After(Duration::from_millis(250))),
        ("-1", Pushback::Never),
        ("junk", Pushback::Never),
        ("", Pushback::Never),
        ("1.5", Pushback::Never),
    ] {
        assert_eq!(pushback(text), said, "{text:?}");
    }
}

#[test]
fn a_rate_limit_asks_only_when_nothing_is_left() {
    for (text, wait) in [
        ("\"default\";r=0;t=30", Some(30)),
        ("\"default\"; r=0; t=30", Some(30)),
        ("\"default\";r=5;t=30", None),
        ("\"burst\";r=0;t=3, \"day\";r=0;t=600", Some(600)),
        ("\"burst\";r=0;t=3, \"day\";r=9;t=600", Some(3)),
        ("\"default\";r=0", None),
        ("\"default\";r=0;t=0", None),
        ("\"default\";r=0;t=-3", None),
        ("junk", None),
    ] {
        assert_eq!(rate_limit(text), wait.map(Duration::from_secs), "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_wait_of_zero_or_a_panic(text in "\\PC*") {
        prop_assert_ne!(parse(&text, now()), Some(Duration::ZERO));
        prop_assert_ne!(rate_limit(&text), Some(Duration::ZERO));
        prop_assert!(matches!(pushback(&text), Pushback::Never | Pushback::After(_)));
    }

    #[test]
    fn whole_seconds_are_read_as_they_are(seconds in 1_u64..=u64::MAX) {
        prop_assert_eq!(parse(&seconds.to_string(), now()), Some(Duration::from_secs(seconds)));
    }
}
