//! Which targets the attempts of a call have been to.

use smallvec::SmallVec;

use crate::shim::{Mutex, lock};

/// The targets that the attempts of one call have been given, so that the next goes elsewhere: one for each call, handed
/// to each of its attempts, hedged ones too.
///
/// ```
/// # use linchpin::resilience::outlier::{Balancer, Options, Tried};
/// # use linchpin::time::Instant;
/// let hosts = Balancer::new("search", ["a", "b"], Options::default())?;
/// let tried = Tried::default();
/// let first = hosts.pick(Instant::now(), 0.0, &tried)?;
/// let second = hosts.pick(Instant::now(), 0.0, &tried)?;
/// assert_ne!(**first, **second);
/// # Ok::<(), linchpin::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Tried(Mutex<Ids>);

pub(super) type Ids = SmallVec<[u64; 4]>;

impl Tried {
    /// How many targets the attempts were given.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.0).len()
    }

    /// Whether none was given yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Chooses by those that were tried, and adds what is chosen: in one step, so that two attempts that begin at once do
    /// not go to the same.
    pub(super) fn choose<R>(&self, choose: impl FnOnce(&[u64]) -> Option<(u64, R)>) -> Option<R> {
        let mut ids = lock(&self.0);
        let (id, chosen) = choose(&ids)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
        Some(chosen)
    }
}
