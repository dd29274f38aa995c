//! From a committed delivery to a recorded attempt.
//!
//! ```text
//! submission ──enqueue──▶ delivery row (leased) ──COMMIT──▶ memory ──▶ place ──▶ policies ──▶ send ──▶ record
//!                    └─▶ delivery row (due now), when memory is full        │        │
//!                                   ▲                                        │        └─ due later ─┐
//!                                   └────────────── timer claims what is due ◀──────────────────────┘
//! ```
//!
//! Whom [policies](Policies) hold back goes to the database again, with no attempt used up: due later if it waits for its
//! turn, parked if it waits with all others of its endpoint. What was recorded is told on the bus of
//! [`events`](crate::events).
//!
//! What a delivery needs to know of its endpoint it asks when its attempt begins: whoever edits, disables or deletes an
//! endpoint has done so for what waits in memory, too.
//!
//! Nothing polls: a delivery is handed over by the commit that stored it, a retry by a timer set to the earliest due
//! time, a full memory by the place that becomes free, and what is parked by a probe that ended or an operator.

mod claim;
mod dispatch;
mod parked;
mod policies;
mod queue;
mod record;
mod records;
mod send;
mod targets;
mod told;
mod wake;

pub use self::dispatch::{Dispatcher, Seed, Settings};
pub use self::policies::{Force, Policies, PolicySettings, TooMany};
pub(crate) use self::queue::New;
pub use self::queue::Queue;
pub use self::send::Sender;
pub(crate) use self::targets::{Barred, Target};
