//! Stores of what the breakers of a fleet have counted: [`CountStore`] on Redis and on Postgres.
//!
//! | store | what a node tells and hears is | after a crash |
//! |---|---|---|
//! | `Redis` (feature `redis`) | one script, by the server's clock | what its persistence kept |
//! | `Postgres` (feature `postgres`) | one statement, by the server's clock | empty, until each has told its word again |
//!
//! A store that is away or has forgotten all costs a fleet nothing but what it would have heard meanwhile: each breaker
//! goes on by what it sees itself. So take the one that is there.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;

use std::time::Duration;

#[cfg(doc)]
use linchpin::resilience::breaker::fleet::CountStore;
use linchpin::resilience::breaker::fleet::Told;

#[cfg(feature = "postgres")]
pub use self::postgres::Postgres;
#[cfg(feature = "redis")]
pub use self::redis::Redis;

/// How long a word holds, in microseconds: at most ten years, with which a server can reckon.
fn forget_us(told: &Told<'_>) -> i64 {
    let longest = Duration::from_hours(10 * 365 * 24);
    i64::try_from(told.forget_after.min(longest).as_micros()).unwrap_or(i64::MAX)
}
