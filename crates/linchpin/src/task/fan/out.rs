//! One stream to many readers.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::panic::{Location, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Poller, Poll, ready};

use futures_util::Stream;

use crate::resilience::BadOptions;
use crate::task::belt::Belt;
use crate::task::caught::{Caught, Payload};
use crate::task::listed::Listed;
use crate::task::pipeline::feeding;
use crate::task::{Task, raw, tell_panic};

/// A stream in a task of its own, to be read by several.
///
/// The task is listed under the name and the line of [`new`](Self::new), and ends when the last [`Share`] is dropped.
/// It takes nothing from the source for which there is no room. A panic of the source is raised again at the first
/// reader that comes to the end, and what it had not handed on is lost; the others find an end.
///
/// In Go this is a channel with several receivers, and for [`broadcast`](Self::broadcast) a channel each. A reader that
/// goes away there must go on draining, or everybody stops.
///
/// ```
/// # use futures_util::{StreamExt as _, stream};
/// # use linchpin::task::fan::FanOut;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let mut readers = FanOut::new("lines", stream::iter([1, 2, 3])).broadcast(2)?;
/// let second = readers.pop().unwrap().collect::<Vec<_>>();
/// let first = readers.pop().unwrap().collect::<Vec<_>>();
/// assert_eq!(tokio::join!(first, second), (vec![1, 2, 3], vec![1, 2, 3]));
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is read until it is given readers"]
pub struct FanOut<S> {
    name: &'static str,
    site: &'static Location<'static>,
    source: S,
    buffer: usize,
}

/// One reader of a [`FanOut`]. Dropping the last one drops the source.
#[must_use = "streams do nothing unless polled"]
pub struct Share<T> {
    who: usize,
    /// As many items as are taken at once.
    most: usize,
    taken: VecDeque<T>,
    credit: usize,
    lane: Arc<Lane<T>>,
    broadcast: bool,
    // Aborted with the last share.
    _task: Arc<Task<()>>,
}

/// The way from a source to one reader, or to several that share.
struct Lane<T> {
    belt: Belt<T>,
    raised: Arc<Raised>,
}

/// The panic of a source, for the first reader that finds it.
#[derive(Default)]
struct Raised(Mutex<Option<Payload>>);

/// Ends the lanes however the task ends, so that no reader waits for one that is gone.
struct Lanes<T>(Vec<Arc<Lane<T>>>);

// ===== impl FanOut =====

impl<S> FanOut<S>
where
    S: Stream<Item: Send> + Send + 'static,
{
    /// A fan-out of `source` that has not begun.
    #[track_caller]
    pub fn new(name: &'static str, source: S) -> Self {
        Self::at(name, Location::caller(), source)
    }

    pub(in crate::task) fn at(
        name: &'static str,
        site: &'static Location<'static>,
        source: S,
    ) -> Self {
        Self { name, site, source, buffer: 64 }
    }

    /// How many items may wait: for all readers of a distribution together, for each one of a broadcast. Default: 64.
    pub fn buffer(mut self, items: usize) -> Self {
        self.buffer = items;
        self
    }

    /// Each item goes to one of `readers`, whoever asks first.
    ///
    /// # Errors
    ///
    /// If there are no readers or the buffer is zero.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn distribute(self, readers: usize) -> Result<Vec<Share<S::Item>>, BadOptions> {
        self.check(readers)?;
        let raised = Arc::new(Raised::default());
        let lane = Arc::new(Lane::new(self.buffer, &raised));
        let lanes = Lanes(vec![lane.clone()]);
        let source = self.source;
        let work = async move {
            let lane = &lanes.0[0];
            if let Err(payload) = Caught::new(feeding(source, &lane.belt)).await {
                *raised.lock() = Some(payload);
            }
        };
        let task = Arc::new(Task { handle: raw(Listed::at(self.name, self.site, work)) });
        // Alone, a reader takes items from nobody.
        let most = if readers == 1 { lane.belt.half() } else { 1 };
        let share = |who| Share::new(who, most, lane.clone(), false, task.clone());
        Ok((0..readers).map(share).collect())
    }

    /// Each item goes to every one of `readers`. The slowest sets the pace; one that is dropped counts no more.
    ///
    /// # Errors
    ///
    /// As [`distribute`](Self::distribute).
    ///
    /// # Panics
    ///
    /// As [`distribute`](Self::distribute).
    pub fn broadcast(self, readers: usize) -> Result<Vec<Share<S::Item>>, BadOptions>
    where
        S::Item: Clone,
    {
        self.check(readers)?;
        let raised = Arc::new(Raised::default());
        let lanes: Vec<_> =
            (0..readers).map(|_| Arc::new(Lane::new(self.buffer, &raised))).collect();
        let all = Lanes(lanes.clone());
        let source = self.source;
        let work = async move {
            if let Err(payload) = Caught::new(copying(source, &all.0)).await {
                *raised.lock() = Some(payload);
            }
        };
        let task = Arc::new(Task { handle: raw(Listed::at(self.name, self.site, work)) });
        let share = |lane: Arc<Lane<_>>| Share::new(0, lane.belt.half(), lane, true, task.clone());
        Ok(lanes.into_iter().map(share).collect())
    }

    pub(in crate::task) fn single(self) -> Result<Share<S::Item>, BadOptions> {
        Ok(self.distribute(1)?.pop().expect("one reader was asked for"))
    }

    fn check(&self, readers: usize) -> Result<(), BadOptions> {
        let name = self.name;
        if readers == 0 {
            let why = format!("`{name}` has no reader; say at least 1");
            return Err(BadOptions::new("FanOut", why));
        }
        if self.buffer == 0 {
            let why = format!("`{name}` has buffer 0; an item must lie somewhere, say at least 1");
            return Err(BadOptions::new("FanOut", why));
        }
        Ok(())
    }
}

impl<S> fmt::Debug for FanOut<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanOut")
            .field("name", &self.name)
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}

/// Moves copies of what comes from `source` into all lanes, as many at once as fit into each.
async fn copying<S>(source: S, lanes: &[Arc<Lane<S::Item>>])
where
    S: Stream<Item: Clone>,
{
    let mut source = pin!(source);
    let mut ready = VecDeque::new();
    let mut reserved = vec![0; lanes.len()];
    loop {
        let mut room = lanes[0].belt.half();
        for (lane, reserved) in lanes.iter().zip(&mut reserved) {
            *reserved = poll_fn(|cx| lane.belt.poll_reserve(0, cx, room)).await;
            room = room.min(*reserved);
        }
        let over = poll_fn(|cx| {
            while ready.len() < room {
                match source.as_mut().poll_next(cx) {
                    Poll::Ready(Some(item)) => ready.push_back(item),
                    Poll::Ready(None) => return Poll::Ready(true),
                    // What is there is not kept waiting for what is not.
                    Poll::Pending if ready.is_empty() => return Poll::Pending,
                    Poll::Pending => break,
                }
            }
            Poll::Ready(false)
        })
        .await;
        for (lane, reserved) in lanes.iter().zip(&reserved) {
            lane.belt.put(*reserved, &mut ready.clone());
        }
        ready.clear();
        if over {
            return;
        }
        tokio::task::coop::consume_budget().await;
    }
}

// ===== impl Lane, Raised, Lanes =====

impl<T> Lane<T> {
    fn new(buffer: usize, raised: &Arc<Raised>) -> Self {
        Self { belt: Belt::new(buffer), raised: raised.clone() }
    }
}

impl Raised {
    fn lock(&self) -> MutexGuard<'_, Option<Payload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Raised {
    /// No reader came to the end, and a panic must not disappear.
    fn drop(&mut self) {
        if let Some(payload) = self.lock().take() {
            let what = "the source of a fan-out panicked, and its readers had gone";
            tell_panic("fan-out", what, payload.as_ref());
        }
    }
}

impl<T> Drop for Lanes<T> {
    fn drop(&mut self) {
        self.0.iter().for_each(|lane| lane.belt.finish());
    }
}

// ===== impl Share =====

impl<T> Share<T> {
    fn new(
        who: usize,
        most: usize,
        lane: Arc<Lane<T>>,
        broadcast: bool,
        task: Arc<Task<()>>,
    ) -> Self {
        Self { who, most, taken: VecDeque::new(), credit: 0, lane, broadcast, _task: task }
    }
}

// Nothing in it is pinned, whatever the items are.
impl<T> Unpin for Share<T> {}

impl<T> Stream for Share<T> {
    type Item = T;

    /// # Panics
    ///
    /// Raises a panic of the source again.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Option<T>> {
        let this = self.get_mut();
        if let Some(item) = this.taken.pop_front() {
            return Poll::Ready(Some(item));
        }
        let Self { who, most, taken, credit, lane, .. } = this;
        if ready!(lane.belt.poll_take(*who, cx, |_| *most, credit, taken)).is_some() {
            return Poll::Ready(taken.pop_front());
        }
        let panic = lane.raised.lock().take();
        match panic {
            Some(payload) => resume_unwind(payload),
            None => Poll::Ready(None),
        }
    }
}

impl<T> Drop for Share<T> {
    fn drop(&mut self) {
        if self.broadcast {
            self.lane.belt.abandon();
        } else {
            self.lane.belt.leave(self.who);
        }
    }
}

impl<T> fmt::Debug for Share<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share")
            .field("queued", &self.lane.belt.traffic().queued)
            .finish_non_exhaustive()
    }
}
