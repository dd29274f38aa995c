//! From a committed delivery to a recorded attempt.
//!
//! ```text
//! submission ──enqueue──▶ delivery row (leased) ──COMMIT──▶ memory ──▶ place ──▶ send ──▶ record
//!                    └─▶ delivery row (due now), when memory is full        │        │
//!                                   ▲                                        │        └─ due later ─┐
//!                                   └────────────── timer claims what is due ◀──────────────────────┘
//! ```
//!
//! What was recorded is told on the bus of [`events`](crate::events).
//!
//! Nothing polls: a delivery is handed over by the commit that stored it, a retry by a timer set to the earliest due
//! time, and a full memory by the place that becomes free.

mod claim;
mod dispatch;
mod queue;
mod record;
mod records;
mod send;
mod wake;

pub use self::dispatch::{Dispatcher, Seed, Settings};
pub use self::queue::{Queue, Ready};
pub use self::send::Sender;
