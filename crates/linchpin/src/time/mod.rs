//! The two clocks of a service: a monotonic one to measure and wait with, a wall clock to write down.
//!
//! Nothing else in the toolkit reads a clock: `std::time::Instant::now` and `SystemTime::now` are banned outside this
//! module, so that a test under tokio's paused time sees every duration move.

mod instant;
mod nap;
mod timestamp;

pub use self::instant::Instant;
pub(crate) use self::nap::Nap;
pub use self::timestamp::{ParseTimestampError, Timestamp};
