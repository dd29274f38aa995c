//! Many waits of one kind that come and go.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Poll, ready};

use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{FuturesUnordered, Stream as _};

use crate::context::{Context, Ended};

/// A set of futures with a key each, of which the [`next`](Self::next) that is ready is waited for.
///
/// Go's `reflect.Select`, without building the list of cases anew for each wait: only those that were woken are polled.
/// None starves the others, since they come in the order in which they were woken. Nothing in the set runs while
/// nobody waits for the next; for work that goes on meanwhile use a [`Group`](crate::task::Group).
///
/// ```
/// # use linchpin::{Context, sync::select::Set};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let mut calls = Set::new();
/// let (slow, quick) = (tokio::sync::oneshot::channel(), tokio::sync::oneshot::channel());
/// calls.insert("slow", slow.1);
/// calls.insert("quick", quick.1);
/// quick.0.send(2).unwrap();
/// assert_eq!(calls.next(&Context::root()).await?, Some(("quick", Ok(2))));
/// calls.remove(&"slow");
/// assert_eq!(calls.next(&Context::root()).await?, None);
/// # Ok(())
/// # }
/// ```
pub struct Set<K, F> {
    futures: FuturesUnordered<Abortable<Keyed<K, F>>>,
    handles: HashMap<K, AbortHandle>,
}

pin_project_lite::pin_project! {
    struct Keyed<K, F> {
        key: Option<K>,
        #[pin]
        future: F,
    }
}

impl<K: Clone + Eq + Hash, F: Future> Set<K, F> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self { futures: FuturesUnordered::new(), handles: HashMap::new() }
    }

    /// Puts a future in. `true` if it took the place of another of the same key, which is removed.
    pub fn insert(&mut self, key: K, future: F) -> bool {
        let (handle, registration) = AbortHandle::new_pair();
        let before = self.handles.insert(key.clone(), handle);
        self.futures.push(Abortable::new(Keyed { key: Some(key), future }, registration));
        before.inspect(AbortHandle::abort).is_some()
    }

    /// Removes a future. `true` if it was there. It is dropped when the next is waited for, or with the set.
    pub fn remove(&mut self, key: &K) -> bool {
        let handle = self.handles.remove(key);
        handle.inspect(AbortHandle::abort).is_some()
    }

    /// Waits for the next that is ready, which leaves the set; `None` if the set is empty.
    ///
    /// # Errors
    ///
    /// [`Ended`] when the context ends first.
    ///
    /// # Panics
    ///
    /// A panic of a future is the caller's; that future has left the set.
    ///
    /// # Cancel safety
    ///
    /// Safe: what is in the set stays there, as far as it got.
    pub async fn next(&mut self, ctx: &Context) -> Result<Option<(K, F::Output)>, Ended> {
        let Self { futures, handles } = self;
        ctx.run(poll_fn(|cx| {
            loop {
                match ready!(Pin::new(&mut *futures).poll_next(cx)) {
                    Some(Ok((key, outcome))) => {
                        handles.remove(&key);
                        let output = outcome.unwrap_or_else(|payload| resume_unwind(payload));
                        return Poll::Ready(Some((key, output)));
                    }
                    // Removed meanwhile.
                    Some(Err(_)) => {}
                    None => return Poll::Ready(None),
                }
            }
        }))
        .await
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// Whether one of this key is there.
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.handles.contains_key(key)
    }
}

impl<K, F: Future> Future for Keyed<K, F> {
    type Output = (K, std::thread::Result<F::Output>);

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Caught, so that the set knows who is gone before the panic goes on.
        let outcome = match catch_unwind(AssertUnwindSafe(|| this.future.poll(cx))) {
            Ok(poll) => Ok(ready!(poll)),
            Err(payload) => Err(payload),
        };
        Poll::Ready((this.key.take().expect("not polled after its end"), outcome))
    }
}

impl<K: Clone + Eq + Hash, F: Future> Default for Set<K, F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, F> fmt::Debug for Set<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Set").field(&self.handles.keys()).finish()
    }
}
