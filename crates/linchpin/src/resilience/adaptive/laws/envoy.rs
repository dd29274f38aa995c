//! Envoy's gradient.

use std::time::Duration;

use super::nanos;

/// The limit that Envoy's adaptive concurrency filter would go to, from `limit`, the least time it has measured and the
/// time of the last window. To compare with: it is no [`Algorithm`](super::super::Algorithm) here.
///
/// Envoy measures the least time by holding everybody to three calls at once every so often, which a service pays for
/// with refusals at its quietest and at its busiest alike.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::resilience::adaptive::envoy;
/// let (least, now) = (Duration::from_millis(10), Duration::from_millis(25));
/// assert_eq!(envoy(100.0, least, now), 57);
/// ```
#[must_use]
pub fn envoy(limit: f64, min_rtt: Duration, rtt: Duration) -> u32 {
    let gradient = (nanos(min_rtt) * 1.25 / nanos(rtt).max(1.0)).clamp(0.5, 2.0);
    let limit = limit * gradient;
    (limit + limit.max(0.0).sqrt()).floor().clamp(3.0, 1_000.0) as u32
}
