//! The port: where the nodes of a fleet tell each other what they have counted.

use std::time::Duration;

use crate::port::port;

port! {
    /// Keeps what each node of a fleet has counted, for the others to read.
    ///
    /// A node counts up and never down, and only it writes its counts: so nothing has to be merged by the store, an old
    /// word is replaced by a newer one, and one that is lost is made good by the next.
    ///
    /// There is a suite that all of ours pass: the tests of `linchpin-data`.
    pub trait CountStore as DynCountStore {
        /// Writes the counts of a node, and answers with those of all others of its group that have told theirs within
        /// [`Told::forget_after`], by the store's clock.
        ///
        /// # Errors
        ///
        /// If the store does not answer, or with something else.
        fn exchange, exchange_boxed(told: &'a Told<'a>) -> crate::Result<Vec<Counts>>;
    }
}

/// What a node has counted since it was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Which node.
    pub node: u64,
    /// Calls that ended while they counted.
    pub calls: u64,
    /// Failures among them.
    pub failures: u64,
    /// Slow calls among them.
    pub slow: u64,
}

/// What a node tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Told<'a> {
    /// The breaker that all nodes have.
    pub group: &'a str,
    /// What it has counted.
    pub counts: Counts,
    /// How long the word holds.
    pub forget_after: Duration,
}
