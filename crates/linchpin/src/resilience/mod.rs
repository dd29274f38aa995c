//! Policies that keep a service standing, and the words they share.
//!
//! | you want | use |
//! |---|---|
//! | to stop asking a callee that is not well | [`breaker::Breaker`] |
//! | to send less to a callee that takes less on | [`throttle::Throttle`] |
//! | to choose among hosts that do the same, and to leave out the one that is not well | [`outlier::Balancer`] |
//! | to see that all this works, by making calls fail | [`chaos::Chaos`] |
//! | to make a call again that failed | [`retry::Retry`] |
//! | to send a second request when the first is slow | [`hedge::Hedge`] |
//! | to make a call once for all who make it now | [`coalesce::Coalesce`] |
//! | to give something less when there is no answer | [`fallback::Fallback`] |
//! | to stop waiting for what takes too long | [`timeout::Timeout`] |
//! | to know when to try again | [`retry::Schedule`] |
//! | to cap how many run at once | [`bulkhead::Bulkhead`] |
//! | to find out how many may run at once | [`adaptive::Adaptive`] |
//! | to refuse what is too much, the least important first | [`shed::Shedder`] |
//! | several of them around one call | [`stack::Stack`] |
//! | to cap how many begin in some time | [`limiter::Limiter`], [`limiter::Keyed`] |
//!
//! # The words
//!
//! A call through a policy fails with [`Failed`]: the callee's own error, or the word of the policy that it was never
//! asked ([`Refusal`]), or that its time ran out, or that its context ended. What a call says of its callee is an
//! [`Outcome`], and a [`Classify`] reads it from the result, and whether to try [`Again`]: one for all policies around a
//! call.
//!
//! | what happened | outcome |
//! |---|---|
//! | the callee answered | what the classifier says |
//! | a time limit or a deadline cut it while it ran | `Failure` |
//! | it panicked | `Failure` |
//! | the call was dropped or cancelled | `Ignored` |
//! | another policy refused it, or its time was up before the callee was asked | `Ignored` |
//!
//! What a policy lets in holds a permit. Dropping one gives back exactly what was taken and is `Ignored`, or `Failure`
//! while a panic unwinds.
//!
//! How much it matters that a call is made at all, where some must go, is its [`Priority`].
//!
//! A duration has elapsed once `now - start >= duration`; a call is *slow* only if it took strictly longer.

pub mod adaptive;
pub mod admitted;
mod again;
mod bad_options;
mod begun;
pub mod breaker;
mod buckets;
pub mod bulkhead;
pub mod chaos;
mod clock;
pub mod coalesce;
mod failed;
pub mod fallback;
mod frame;
pub mod hedge;
mod held;
pub mod limiter;
mod news;
mod outcome;
pub mod outlier;
mod priority;
mod refusal;
pub mod retry;
mod samples;
mod sent;
pub mod shed;
mod snapshot;
pub mod stack;
pub mod throttle;
pub mod timeout;
mod unwinding;
mod within;

pub use self::again::Again;
pub use self::bad_options::BadOptions;
pub use self::failed::{Failed, FailedKind};
pub use self::outcome::{ByFailed, ByKind, ByResult, Classify, Outcome};
pub use self::priority::Priority;
pub use self::refusal::Refusal;
pub use self::snapshot::Snapshot;
