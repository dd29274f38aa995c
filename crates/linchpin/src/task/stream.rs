//! Streams written as loops, and streams that run ahead of whoever reads them.
//!
//! | you have | use |
//! |---|---|
//! | a loop that produces | [`from_fn`], [`try_from_fn`] where it may fail |
//! | a producer that should work while its reader does | [`ahead`] |
//! | a collection or an iterator | `futures_util::stream::iter` |
//!
//! A stream stops its producer when it is dropped: the loop is dropped where it waits, and so is all it holds.

use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, Waker};

use futures_util::{Stream, StreamExt as _};

use super::fan::{FanOut, Share};
use crate::resilience::BadOptions;
use crate::shim::{Fault, Mutex, lock, planted};
use crate::task::wake;

/// A stream of what the loop `work` [gives](Yielder::give), one item whenever the reader asks for one.
///
/// Go's `iter.Seq` with a loop that may wait. There a reader that stops makes `yield` return false, and a loop that
/// goes on all the same panics; here the loop is not resumed and its destructors run. Nothing is spawned, nothing runs
/// ahead. A panic of the loop is the reader's.
///
/// ```
/// # use futures_util::StreamExt as _;
/// # use linchpin::task::stream;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # async fn fetch_page(n: u32) -> Vec<u32> { if n < 3 { vec![n * 10, n * 10 + 1] } else { vec![] } }
/// let rows = stream::from_fn(|mut rows| async move {
///     for page in 1.. {
///         let page = fetch_page(page).await;
///         if page.is_empty() {
///             break;
///         }
///         for row in page {
///             rows.give(row).await;
///         }
///     }
/// });
/// assert_eq!(rows.take(3).collect::<Vec<_>>().await, [10, 11, 20]);
/// # }
/// ```
pub fn from_fn<T, F, Fut>(work: F) -> FromFn<T, Fut>
where
    F: FnOnce(Yielder<T>) -> Fut,
    Fut: Future<Output = ()>,
{
    let hand = Arc::new(Hand(Mutex::new(State { item: None, reader: None, giver: None })));
    let work = work(Yielder { hand: hand.clone() });
    FromFn { work: Some(Box::pin(work)), hand }
}

/// A stream like that of [`from_fn`] whose loop may fail: its error is the last item.
///
/// ```
/// # use futures_util::TryStreamExt as _;
/// # use linchpin::{Error, Kind, error::ResultExt as _, task::stream};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let numbers = stream::try_from_fn(|mut numbers| async move {
///     for word in ["1", "2", "x"] {
///         numbers.give(word.parse::<u32>().kind(Kind::InvalidArgument)?).await;
///     }
///     Ok::<(), Error>(())
/// });
/// assert_eq!(numbers.try_collect::<Vec<_>>().await.unwrap_err().kind(), Kind::InvalidArgument);
/// # }
/// ```
pub fn try_from_fn<T, E, F, Fut>(
    work: F,
) -> impl Stream<Item = Result<T, E>> + Unpin + use<T, E, F, Fut>
where
    F: FnOnce(Yielder<T>) -> Fut,
    Fut: Future<Output = Result<(), E>>,
{
    let failed = Arc::new(Mutex::new(None));
    let keep = failed.clone();
    let items = from_fn(|yielder| {
        let work = work(yielder);
        async move {
            if let Err(error) = work.await {
                *lock(&keep) = Some(error);
            }
        }
    });
    let mut last = Some(failed);
    items.map(Ok).chain(futures_util::stream::poll_fn(move |_| {
        Poll::Ready(last.take().and_then(|failed| lock(&failed).take()).map(Err))
    }))
}

/// `source` in a task of its own, up to `buffer` items ahead of its reader; dropping the [`Share`] ends the task.
///
/// Go's "iterator via channel", whose goroutine leaks if the reader stops early. A panic of the source is raised again
/// at the reader; what it had not handed on is lost.
///
/// # Errors
///
/// If `buffer` is zero.
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn ahead<S>(name: &'static str, buffer: usize, source: S) -> Result<Share<S::Item>, BadOptions>
where
    S: Stream<Item: Send> + Send + 'static,
{
    FanOut::at(name, Location::caller(), source).buffer(buffer).single()
}

/// The stream of [`from_fn`].
#[must_use = "streams do nothing unless polled"]
pub struct FromFn<T, Fut> {
    /// `None` once the loop has ended.
    work: Option<Pin<Box<Fut>>>,
    hand: Arc<Hand<T>>,
}

/// What a loop gives its items to. It belongs into the loop; elsewhere nobody takes what it gives once that has ended.
pub struct Yielder<T> {
    hand: Arc<Hand<T>>,
}

/// Where one item passes from the loop to the reader. Both are one task as a rule, so the lock is free and no waker is
/// called; but parts of a loop may have wakers of their own, and a yielder may be moved.
struct Hand<T>(Mutex<State<T>>);

struct State<T> {
    item: Option<T>,
    reader: Option<Waker>,
    giver: Option<Waker>,
}

// ===== impl Yielder =====

impl<T> Yielder<T> {
    /// Gives `item` to the reader, and waits until it asks for the next one.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the item is given, even if the future is dropped then.
    pub async fn give(&mut self, item: T) {
        let mut item = Some(item);
        poll_fn(|cx| self.hand.poll_give(&mut item, cx)).await;
    }
}

impl<T> fmt::Debug for Yielder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}

// ===== impl Hand =====

impl<T> Hand<T> {
    fn poll_give(&self, item: &mut Option<T>, cx: &mut Poller<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.item.is_none() {
            match item.take() {
                None => return Poll::Ready(()),
                given => state.item = given,
            }
        }
        let before = leave(&mut state.giver, cx);
        let reader = state.reader.take_if(|reader| !reader.will_wake(cx.waker()));
        drop(state);
        drop(before);
        // Whoever polls the loop looks at the hand next, so only another task need be told.
        wake("stream", reader);
        Poll::Pending
    }

    fn poll_take(&self, cx: &mut Poller<'_>) -> Poll<T> {
        if planted(Fault::StreamLooksBeforeItWaits) && lock(&self.0).item.is_none() {
            drop(leave(&mut lock(&self.0).reader, cx));
            return Poll::Pending;
        }
        let mut state = lock(&self.0);
        let Some(item) = state.item.take() else {
            let before = leave(&mut state.reader, cx);
            drop(state);
            drop(before);
            return Poll::Pending;
        };
        // The reader's next poll is the loop's, too.
        let giver = state.giver.take_if(|giver| !giver.will_wake(cx.waker()));
        drop(state);
        wake("stream", giver);
        Poll::Ready(item)
    }
}

/// Leaves a waker; returns the one before, to be dropped once the lock is free.
fn leave(place: &mut Option<Waker>, cx: &mut Poller<'_>) -> Option<Waker> {
    match place {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        place => place.replace(cx.waker().clone()),
    }
}

// ===== impl FromFn =====

impl<T, Fut: Future<Output = ()>> Stream for FromFn<T, Fut> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Option<T>> {
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        let ended = work.as_mut().poll(cx).is_ready();
        let taken = self.hand.poll_take(cx);
        if ended {
            self.work = None;
        }
        match taken {
            Poll::Ready(item) => Poll::Ready(Some(item)),
            Poll::Pending if ended => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T, Fut> fmt::Debug for FromFn<T, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn").field("ended", &self.work.is_none()).finish_non_exhaustive()
    }
}
