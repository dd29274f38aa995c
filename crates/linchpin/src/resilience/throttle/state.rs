//! How a throttle is, and what changed it.

/// The numbers of a [`Throttle`](super::Throttle).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Numbers {
    /// Requests in the window: calls that ended, calls that were refused here, and calls that are under way for too long.
    pub requests: u64,
    /// Those among them that the callee took on.
    pub accepted: u64,
    /// Those among them that are under way for longer than the grace.
    pub overdue: u64,
    /// Calls under way, where these count ([`pending_grace`](super::Options::pending_grace)).
    pub under_way: u64,
    /// The chance that the next call is refused.
    pub chance: f64,
}

/// Calls are refused from now on, or not any more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) throttling: bool,
    pub(super) requests: u64,
    pub(super) accepted: u64,
    pub(super) chance: f64,
}

impl Numbers {
    pub(super) fn word(&self) -> &'static str {
        if self.chance > 0.0 { "throttling" } else { "passing" }
    }
}
