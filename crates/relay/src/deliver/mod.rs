//! From a committed delivery to a recorded attempt.
//!
//! ```text
//! submission ──enqueue──▶ delivery row (leased) ──COMMIT──▶ memory ──▶ place ──▶ policies ──▶ send ──▶ record
//!                    └─▶ delivery row (due now), when memory is full        │        │
//!                                   ▲                                        │        └─ due later ─┐
//!                                   └────────────── timer claims what is due ◀──────────────────────┘
//! ```
//!
//! Whom [policies](Policies) hold back goes to the database again, due later and with no attempt used up. What was recorded is told on the bus of [`events`](crate::events).
//!
//! Nothing polls: a delivery is handed over by the commit that stored it, a retry by a timer set to the earliest due
//! time, and a full memory by the place that becomes free.

mod claim;
mod dispatch;
mod policies;
mod queue;
mod record;
mod records;
mod send;
mod wake;

pub use self::dispatch::{Dispatcher, Seed, Settings};
pub use self::policies::{Force, Policies, PolicySettings, TooMany};
pub use self::queue::{Queue, Rates, Ready};
pub use self::send::Sender;
