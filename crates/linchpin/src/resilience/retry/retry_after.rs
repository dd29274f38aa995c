//! What a callee asks for in headers, read from their texts.
//!
//! Pure: a text that is not what the standard says is no hint, and never a wait without bound or one of zero.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::Offset;

use crate::time::Timestamp;

/// What a gRPC server says of another attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pushback {
    /// Not before so long; zero is at once.
    After(Duration),
    /// Not at all.
    Never,
}

/// HTTP's `Retry-After`: seconds in digits alone, or a date. `None` for anything else, for zero and for what is past.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::{resilience::retry::retry_after, time::Timestamp};
/// let now: Timestamp = "1994-11-06T08:49:30Z".parse()?;
/// assert_eq!(retry_after::parse("2", now), Some(Duration::from_secs(2)));
/// assert_eq!(retry_after::parse("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(7)));
/// assert_eq!(retry_after::parse("-5", now), None);
/// # Ok::<(), linchpin::time::ParseTimestampError>(())
/// ```
#[must_use]
pub fn parse(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim_matches([' ', '\t']);
    let wait = match seconds(text) {
        Some(wait) => wait,
        None => date(text)?.since(now),
    };
    (!wait.is_zero()).then_some(wait)
}

/// gRPC's `grpc-retry-pushback-ms`: milliseconds in digits. What is negative or no number says that there is to be no
/// retry.
#[must_use]
pub fn pushback(text: &str) -> Pushback {
    match digits(text) {
        Some(millis) => Pushback::After(Duration::from_millis(millis)),
        None => Pushback::Never,
    }
}

/// The draft's `RateLimit`: the longest `t` of the policies that have nothing left (`r=0`). `Retry-After` goes before it.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::resilience::retry::retry_after;
/// assert_eq!(retry_after::rate_limit("\"burst\";r=0;t=3, \"day\";r=9;t=60"), Some(Duration::from_secs(3)));
/// assert_eq!(retry_after::rate_limit("\"burst\";r=1;t=3"), None);
/// ```
#[must_use]
pub fn rate_limit(text: &str) -> Option<Duration> {
    let policy = |item: &str| {
        let part = |name: &str| {
            let mut parts = item.split(';').skip(1).filter_map(|part| part.trim().split_once('='));
            parts.find(|(key, _)| *key == name).and_then(|(_, value)| digits(value))
        };
        (part("r")? == 0).then(|| part("t"))?.filter(|seconds| *seconds > 0)
    };
    text.split(',').filter_map(policy).max().map(Duration::from_secs)
}

/// `x-retry`: whether a callee that refuses says that nobody is to try again, wherever, since most of what comes are other
/// attempts.
///
/// ```
/// # use linchpin::resilience::retry::retry_after;
/// assert!(retry_after::forbidden("no") && !retry_after::forbidden("yes"));
/// ```
#[must_use]
pub fn forbidden(text: &str) -> bool {
    text.trim_matches([' ', '\t']).eq_ignore_ascii_case("no")
}

fn seconds(text: &str) -> Option<Duration> {
    digits(text).map(Duration::from_secs)
}

/// Digits and nothing else; more than fit are the most.
fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

/// One of HTTP's three forms of a date.
fn date(text: &str) -> Option<Timestamp> {
    const FORMS: [&str; 3] =
        ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let moment =
        |form: &&str| -> Option<DateTime> { strtime::parse(form, text).ok()?.to_datetime().ok() };
    let moment = FORMS.iter().find_map(moment)?;
    let moment = Offset::UTC.to_timestamp(moment).ok()?;
    Some(Timestamp::from_micros(moment.as_microsecond()))
}
