//! One stream to many readers, many streams to one, and several futures of which some are enough.
//!
//! | you want | use |
//! |---|---|
//! | each item worked by whoever is free | [`FanOut::distribute`] |
//! | each item seen by everybody | [`FanOut::broadcast`] |
//! | the items of several streams as they come | [`merge`] |
//! | the first to end, well or badly | [`race`] |
//! | the first that succeeds | [`first`] |
//! | all, or the first error | [`all`] |
//! | all, and how each of them ended | [`gather`] |
//! | so many successes | [`quorum`] |
//!
//! The futures run on the caller's task and may borrow; those that are not needed any more are dropped before the
//! function returns. For work on several threads give them tasks of a [`Group`](super::Group).

mod out;
mod settle;

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use futures_util::Stream;
use futures_util::stream::{SelectAll, select_all};

pub use self::out::{FanOut, Share};
pub use self::settle::{all, first, gather, quorum, race};

/// The items of all of `streams` as they come; it ends when all have ended, and dropping it drops them.
///
/// None is starved by one that is always ready. Go's `merge` with its goroutine a channel and its `WaitGroup`; here
/// nothing is spawned. Streams of several types are boxed first, with `StreamExt::boxed`.
///
/// ```
/// # use futures_util::{StreamExt as _, stream};
/// # use linchpin::task::fan;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut all: Vec<u8> = fan::merge([stream::iter(vec![1, 2]), stream::iter(vec![3])]).collect().await;
/// all.sort();
/// assert_eq!(all, [1, 2, 3]);
/// # }
/// ```
pub fn merge<S: Stream + Unpin>(streams: impl IntoIterator<Item = S>) -> Merge<S> {
    Merge(select_all(streams))
}

/// The stream of [`merge`].
#[must_use = "streams do nothing unless polled"]
pub struct Merge<S>(SelectAll<S>);

impl<S: Stream + Unpin> Stream for Merge<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Option<S::Item>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}

impl<S> fmt::Debug for Merge<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Merge").finish_non_exhaustive()
    }
}
