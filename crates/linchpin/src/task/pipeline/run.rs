//! Running a pipeline: the source and the sink on the caller's task, the stages on theirs.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use futures_util::Stream;
use tokio::task::coop::consume_budget;

use super::stage::{ITEMS_A_UNIT, before_waiting};
use crate::context::{Cause, Ended};
use crate::error::Error;
use crate::task::Group;
use crate::task::belt::Belt;

/// Moves items from `source` to `sink` over the two ends of the stages of `group`, and ends what is left of these.
pub(super) async fn run<S, T, F, Fut>(
    group: Group<()>,
    source: S,
    feed: &Belt<S::Item>,
    tail: &Belt<T>,
    sink: F,
) -> Result<(), Error>
where
    S: Stream,
    F: FnMut(T) -> Fut,
    Fut: Future<Output = Result<(), Error>>,
{
    let ran = {
        let context = group.context();
        let mut ended = pin!(context.cancelled());
        // An option, so that the source is gone as soon as it has ended.
        let mut feeding = pin!(Some(feeding(source, feed)));
        let mut draining = pin!(draining(tail, sink));
        poll_fn(|cx| {
            if let Poll::Ready(cause) = ended.as_mut().poll(cx) {
                return Poll::Ready(Err(Stop::Ended(cause)));
            }
            if let Some(work) = feeding.as_mut().as_pin_mut()
                && work.poll(cx).is_ready()
            {
                feeding.set(None);
                feed.finish();
            }
            draining.as_mut().poll(cx).map_err(Stop::Failed)
        })
        .await
    };
    match ran {
        Ok(()) => group.join().await.map(drop),
        Err(Stop::Failed(error)) => {
            group.end(Cause::Failed(error.clone()));
            // A panic of a stage is raised there and goes first; an error of one came too late to count.
            drop(group.settle().await);
            Err(error)
        }
        Err(Stop::Ended(cause)) => {
            group.end(cause.clone());
            group.join().await?;
            // Every stage had ended well before, so the reason can only have come from outside.
            Err(Ended::from(cause).into())
        }
    }
}

enum Stop {
    /// The context ended: somebody's will, or the failure of a stage.
    Ended(Cause),
    /// The sink failed.
    Failed(Error),
}

/// Takes no item from the source for which there is no room. The caller says that the feed is finished.
pub(in crate::task) async fn feeding<S: Stream>(source: S, feed: &Belt<S::Item>) {
    let mut source = pin!(source);
    let (mut ready, most) = (VecDeque::new(), feed.half());
    loop {
        let reserved = poll_fn(|cx| feed.poll_reserve(0, cx, most)).await;
        let over = fill(source.as_mut(), feed, reserved, &mut ready).await;
        if over {
            return;
        }
        consume_budget().await;
    }
}

/// Moves up to `reserved` items, in pieces where the source makes us wait; whether the source has ended.
async fn fill<S: Stream>(
    mut source: Pin<&mut S>,
    feed: &Belt<S::Item>,
    mut reserved: usize,
    ready: &mut VecDeque<S::Item>,
) -> bool {
    poll_fn(|cx| {
        while ready.len() < reserved {
            match source.as_mut().poll_next(cx) {
                Poll::Ready(Some(item)) => ready.push_back(item),
                Poll::Ready(None) => {
                    feed.put(reserved, ready);
                    return Poll::Ready(true);
                }
                Poll::Pending => {
                    let count = ready.len();
                    if count > 0 {
                        feed.put(count, ready);
                        reserved -= count;
                    }
                    return Poll::Pending;
                }
            }
        }
        feed.put(reserved, ready);
        Poll::Ready(false)
    })
    .await
}

async fn draining<T, F, Fut>(tail: &Belt<T>, mut sink: F) -> Result<(), Error>
where
    F: FnMut(T) -> Fut,
    Fut: Future<Output = Result<(), Error>>,
{
    let (mut batch, mut credit, most) = (VecDeque::new(), 0, tail.half());
    let mut sunk = 0_u32;
    while poll_fn(|cx| tail.poll_take(0, cx, |_| most, &mut credit, &mut batch)).await.is_some() {
        while let Some(item) = batch.pop_front() {
            let left = batch.len();
            before_waiting(pin!(sink(item)), || tail.release(&mut credit, left)).await?;
            sunk = sunk.wrapping_add(1);
            if sunk.is_multiple_of(ITEMS_A_UNIT) {
                consume_budget().await;
            }
        }
    }
    Ok(())
}
