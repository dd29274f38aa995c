//! What tests of services need: a receiver that can be told how to answer, and proof that no task was left.
//!
//! | module | what it gives | what a Go engineer knows it as |
//! |---|---|---|
//! | `server` (feature `http`) | a real server on a free port | `httptest.Server` |
//! | `proxy` (feature `http`) | a forward proxy on a free port | - |
//! | [`test`] and [`harness`] | a test under the leak check, with clean-ups | `testing.T`, `t.Cleanup` |
//! | [`leak`] | fails a test that leaves a task behind | goleak |
//! | [`steps`] | drops a future at each await point, and polls one by hand | - |
//!
//! A dev-dependency: it turns on the feature `testing` of `linchpin`, so clocks follow tokio's.

#![forbid(unsafe_code)]

pub mod harness;
pub mod leak;
#[cfg(feature = "http")]
pub mod proxy;
#[cfg(feature = "http")]
pub mod server;
pub mod steps;

/// Runs a test, async or not, under a leak check: see [`harness`].
pub use linchpin_testing_macros::test;
