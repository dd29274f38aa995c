//! Relay: a webhook-delivery service in one binary.
//!
//! A message comes in over HTTP, is stored together with one delivery for each endpoint that wants it, and is answered
//! once that is committed. Deliveries are signed by the Standard Webhooks scheme, sent, tried again by a schedule, and
//! every attempt is recorded. The API is the one the official Svix client libraries speak.
//!
//! | module | what is in it |
//! |---|---|
//! | [`cli`] and [`config`] | the command line, the settings and where each came from |
//! | [`serve`] | how the service is put together, started and stopped |
//! | [`api`] | routes, tokens, error bodies |
//! | [`model`] | what goes over the wire, and its rules |
//! | [`store`] | tables and queries; every write is a submission to one writer |
//! | [`vault`] | what is secret of endpoints, sealed with the keys of the settings |
//! | [`deliver`] | from a committed delivery to a recorded attempt |
//! | [`events`] | what becomes of attempts, told to whoever listens |
//! | [`background`] | recoveries and replays, which outlive their requests |
//! | [`admin`] | what operators see: readiness, metrics, events |
//! | [`listen`] | a receiver to try things with |
//!
//! Relay has no pattern of its own: contexts, owned tasks, pools and pipelines, retry schedules, bulkheads, the server and its shutdown, the
//! grouped writer, idempotency, signatures, tokens and settings are the toolkit's.

#![forbid(unsafe_code)]

pub mod admin;
pub mod api;
pub mod background;
pub mod cli;
pub mod config;
pub mod deliver;
pub mod events;
pub mod ids;
pub mod listen;
pub mod logging;
pub mod model;
pub mod serve;
pub mod store;
pub mod vault;
