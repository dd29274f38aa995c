//! The clocks: one that tests move, one that is written down.

use std::time::Duration;

use linchpin::time::{Instant, Timestamp};
use proptest::prelude::*;

#[tokio::test(start_paused = true)]
async fn instants_follow_a_paused_clock() {
    let before = Instant::now();
    assert_eq!(before.elapsed(), Duration::ZERO);
    tokio::time::advance(Duration::from_secs(90)).await;
    assert_eq!(before.elapsed(), Duration::from_secs(90));
    assert_eq!(before - Instant::now(), Duration::ZERO, "differences saturate");
    assert_eq!(size_of::<Instant>(), 8);
}

#[test]
fn instants_saturate_instead_of_wrapping() {
    let far = Instant::now() + Duration::MAX;
    assert!(far + Duration::MAX >= far);
    assert!(far > Instant::now());
}

#[test]
fn timestamps_are_shown_as_rfc_3339_as_short_as_they_can() {
    let rows = [
        (0, "1970-01-01T00:00:00Z"),
        (1_674_087_231_123_000, "2023-01-19T00:13:51.123Z"),
        (1_674_087_231_123_456, "2023-01-19T00:13:51.123456Z"),
        (1_674_087_231_000_006, "2023-01-19T00:13:51.000006Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
    ];
    for (micros, text) in rows {
        assert_eq!(Timestamp::from_micros(micros).to_string(), text);
        assert_eq!(text.parse::<Timestamp>().unwrap().as_micros(), micros);
    }
}

#[test]
fn any_offset_and_none_are_read() {
    let utc: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
    for text in
        ["2026-01-31T13:00:00+01:00", "2026-01-31T12:00:00", "2026-01-31T12:00:00.000+00:00"]
    {
        assert_eq!(text.parse::<Timestamp>().unwrap(), utc, "{text}");
    }
    let fault = "yesterday".parse::<Timestamp>().unwrap_err().to_string();
    assert!(fault.contains("`yesterday`") && fault.contains("2026-01-31T12:00:00Z"), "{fault}");
}

#[test]
fn rounding_goes_down_before_the_epoch_too() {
    let before = Timestamp::from_micros(-1_500);
    assert_eq!((before.as_millis(), before.as_seconds()), (-2, -1));
    let later = before + Duration::from_millis(5);
    assert_eq!(later.since(before), Duration::from_millis(5));
    assert_eq!(before.since(later), Duration::ZERO);
    assert_eq!(later - Duration::from_millis(5), before);
}

proptest! {
    #[test]
    fn what_is_shown_reads_back(micros in -60_000_000_000_000_000_i64..250_000_000_000_000_000) {
        let timestamp = Timestamp::from_micros(micros);
        prop_assert_eq!(timestamp.to_string().parse::<Timestamp>().unwrap(), timestamp);
    }
}
