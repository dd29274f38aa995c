//! From a committed delivery to a recorded attempt.
//!
//! ```text
//! submission ──enqueue──▶ delivery row (leased) ──COMMIT──▶ lane ──turn──▶ policies ──▶ send ──▶ record
//!                    └─▶ delivery row (due now), when the    ▲               │                     │
//!                        lane has no room in memory          │               └─ back, lane held    └─ due later
//!                                      │                     │                                          │
//!                                      └──────── visit of a lane that has room and is due ◀─────────────┘
//! ```
//!
//! Each endpoint has a [lane](linchpin::sync::lanes), in the group of its application, and each start goes to applications and
//! their endpoints by turns. Who is slow has a part of the places and two deliveries in memory; what it had more when it was well
//! goes back to the database, where its backlog costs nobody anything. So do the deliveries of an endpoint whom [policies](Policies) hold back: its
//! lane is held, no attempt is used up, and nothing is written. What was recorded is told on the bus of
//! [`events`](crate::events).
//!
//! What a delivery needs to know of its endpoint it asks when its attempt begins: whoever edits, disables or deletes an
//! endpoint has done so for what waits in memory, too.
//!
//! Nothing polls: a delivery is handed over by the commit that stored it, a retry by a visit at its due time, a full memory
//! by the room that becomes free, and what is held by its time, a probe that ended or an operator.

mod claim;
mod clock;
mod dispatch;
mod health;
mod hosts;
mod lead;
mod ours;
mod policies;
mod queue;
mod ready;
mod record;
mod records;
mod seed;
mod send;
mod targets;
mod told;

pub use self::clock::Clock;
pub use self::dispatch::Dispatcher;
pub use self::health::HealthSettings;
pub use self::ours::Patience;
pub use self::policies::{Force, Policies, PolicySettings, TooMany};
pub use self::queue::Queue;
pub(crate) use self::ready::New;
#[cfg(feature = "planted-faults")]
pub use self::record::plant_loose_fence;
pub use self::seed::{Seed, Settings};
pub use self::send::Sender;
pub(crate) use self::targets::{Barred, Target};
