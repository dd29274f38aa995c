//! The vocabulary of the Linchpin toolkit: what every component speaks.
//!
//! | module | what it gives | what a Go engineer knows it as |
//! |---|---|---|
//! | [`context`] | deadline, cancellation with a cause, typed values | `context` |
//! | [`error`] | one error with a [`Kind`], a searchable chain, a public text; panics caught | `errors`, `recover`, gRPC codes |
//! | [`time`] | a movable monotonic clock, wall-clock timestamps | `time` |
//! | [`task`] | owned tasks, groups, trackers, tickers, timers, a live registry | `go`, `errgroup`, `time.Ticker` |
//! | [`sync`] | channels, the first of several waits, striped maps and locks, counters | channels, `select`, `sync.Map`, `sync/atomic` |
//! | [`resilience`] | circuit breakers, retries with budgets, bulkheads, and the words all policies share | failsafe-go |
//!
//! The crate knows no HTTP, no SQL and no serialisation; its sister crates add those and never depend on each
//! other. Everything that waits takes a [`Context`] first, runs on a current-thread runtime too, and gives back
//! what it took when its future is dropped.
//!
//! # Features
//!
//! `testing` makes [`time::Instant`] follow tokio's clock, so that a test pauses and advances it.

pub mod context;
pub mod error;
#[cfg(all(test, linchpin_loom))]
mod model;
mod port;
pub mod resilience;
mod shim;
pub mod sync;
pub mod task;
pub mod time;

pub use context::Context;
pub use error::{Error, Kind};

/// A result whose error is [`Error`] unless said otherwise.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The README's samples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
