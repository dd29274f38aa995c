//! Where the attempts of a call have gone.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::shim::{Mutex, lock};

/// Where the attempts of one call have gone, so that the next one goes somewhere else: a hedge to the host that is slow
/// already is load, and no help.
///
/// Clones share the list. Make one for each call and let the work look at it; where a balancer lies deeper, hand it down:
/// as a [value](crate::Context::with_value) of the call's context, or inside of the request, whose copies then share it. A
/// [`Balancer`](crate::resilience::outlier::Balancer) takes one of its own targets, and chooses by it.
///
/// ```
/// # use linchpin::{Context, resilience::hedge::{self, Hedge}, resilience::retry::Tried};
/// # async fn ask(host: &str) -> Result<String, std::io::Error> {
/// #     if host == "a" { std::future::pending().await } else { Ok(host.to_owned()) }
/// # }
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> linchpin::Result<()> {
/// # let ctx = Context::root();
/// # let options = hedge::Options::default().delay(std::time::Duration::from_millis(1)).max_extra_load(1.0);
/// # let hedge = Hedge::new("search", options.idempotent())?;
/// let (hosts, tried) = (["a", "b", "c"], Tried::default());
/// let answer = hedge.call(&ctx, |_| ask(tried.pick(hosts).expect("there are hosts"))).await;
/// assert_eq!(answer.unwrap(), "b");
/// assert_eq!(tried.list(), ["a", "b"]);
/// # Ok(())
/// # }
/// ```
pub struct Tried<H> {
    hosts: Arc<Mutex<SmallVec<[H; 4]>>>,
}

impl<H: Clone + PartialEq> Tried<H> {
    /// The first of `hosts` where no attempt has gone yet, and where one goes now. If all were tried, the one that was
    /// tried the longest ago; `None` if there are none.
    ///
    /// # Panics
    ///
    /// If comparing or cloning a host does. The list is as it was.
    pub fn pick(&self, hosts: impl IntoIterator<Item = H>) -> Option<H> {
        // A list of its own, since what makes it may be anything.
        let hosts: SmallVec<[H; 8]> = hosts.into_iter().collect();
        let mut tried = lock(&self.hosts);
        let last = |host: &H| tried.iter().rposition(|other| other == host);
        // The first of those that were tried equally long ago; never is the longest.
        let picked = hosts.iter().min_by_key(|host| last(host).map_or(0, |at| at + 1))?.clone();
        let noted = picked.clone();
        tried.push(noted);
        Some(picked)
    }

    /// Notes that an attempt goes to `host`; whether it is the first.
    pub fn add(&self, host: H) -> bool {
        let mut tried = lock(&self.hosts);
        let is_first = !tried.contains(&host);
        tried.push(host);
        is_first
    }

    /// Whether an attempt has gone to `host`.
    #[must_use]
    pub fn contains(&self, host: &H) -> bool {
        lock(&self.hosts).contains(host)
    }

    /// Where attempts have gone, in their order.
    #[must_use]
    pub fn list(&self) -> Vec<H> {
        lock(&self.hosts).to_vec()
    }
}

impl<H> Tried<H> {
    /// How many have been noted. A balancer notes each target once, [`pick`](Self::pick) and [`add`](Self::add) each attempt.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.hosts).len()
    }

    /// Whether no attempt has gone anywhere yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Chooses by where attempts have gone, and notes what is chosen: in one step, so that two attempts that begin at once do
    /// not go to the same.
    pub(in crate::resilience) fn choose<R>(
        &self,
        choose: impl FnOnce(&[H]) -> Option<(H, R)>,
    ) -> Option<R>
    where
        H: PartialEq,
    {
        let mut tried = lock(&self.hosts);
        let (host, chosen) = choose(&tried)?;
        if !tried.contains(&host) {
            tried.push(host);
        }
        Some(chosen)
    }
}

impl<H> Default for Tried<H> {
    fn default() -> Self {
        Self { hosts: Arc::new(Mutex::new(SmallVec::new())) }
    }
}

impl<H> Clone for Tried<H> {
    fn clone(&self) -> Self {
        Self { hosts: self.hosts.clone() }
    }
}

impl<H: fmt::Debug> fmt::Debug for Tried<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(lock(&self.hosts).iter()).finish()
    }
}
