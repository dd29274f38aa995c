//! Stores for limits that a fleet shares: [`RateStore`] on Redis and on Postgres.
//!
//! | store | a visit is | after a crash |
//! |---|---|---|
//! | `Redis` (feature `redis`) | one script, judged by the server's clock | what its persistence kept |
//! | `Postgres` (feature `postgres`) | one call of a function of ours, by the server's clock | empty; after a restart in order as it was |
//!
//! Whoever loses its state lets at most one burst of each key pass more, and
//! [`Shared`](linchpin::resilience::limiter::shared::Shared) counts it. Take Redis where there is one: it answers several
//! times as many visits.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;

#[cfg(doc)]
use linchpin::resilience::limiter::shared::RateStore;
use linchpin::resilience::limiter::shared::{Answer, Left, Visit};
use linchpin::{Error, Kind, Result};

#[cfg(feature = "postgres")]
pub use self::postgres::Postgres;
#[cfg(feature = "redis")]
pub use self::redis::Redis;

/// Reads what a server answers: whether it passes, then three numbers for each quota.
fn answer(visit: &Visit<'_>, numbers: &[i64]) -> Result<Answer> {
    let wrong = || Error::new(Kind::Internal, "an answer that is none: is another script there?");
    let (passed, lefts) = numbers.split_first().ok_or_else(wrong)?;
    if lefts.len() != 3 * visit.quotas().len() {
        return Err(wrong());
    }
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    let left = |left: &[i64]| Left {
        remaining: u32::try_from(number(left[0])).unwrap_or(u32::MAX),
        wait_us: number(left[1]),
        reset_us: number(left[2]),
    };
    Ok(Answer::of(*passed != 0, lefts.chunks_exact(3).map(left)))
}

/// In terms of a database, where all below ten years fits.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
