//! A stage and the tasks that do its work.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

use super::numbers::Counts;
use super::options::{DeadLetter, Failures};
use crate::context::{Context, Ended};
use crate::error::Error;
use crate::task::Group;
use crate::task::belt::Load;

/// A stage of a pipeline, ready to be started.
pub(super) struct Stage<T, U, F> {
    pub(super) counts: Arc<Counts<T, U>>,
    pub(super) site: &'static Location<'static>,
    pub(super) failures: Failures<T>,
    pub(super) work: F,
}

impl<T, U, F, Fut> Stage<T, U, F>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(&Context, T) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<U>, Error>> + Send + 'static,
{
    /// Spawns the tasks of this stage.
    pub(super) fn start(self, group: &mut Group<()>, ordered: bool) {
        let Counts { name, width, ref output, .. } = *self.counts;
        let site = self.site;
        output.set_producers(width, ordered && width > 1);
        let stage = Arc::new(self);
        if width == 1 {
            group.spawn_at(name, site, move |ctx| async move { stage.alone(&ctx).await });
            return;
        }
        for who in 0..width {
            let stage = stage.clone();
            group.spawn_at(name, site, move |ctx| async move { stage.among(&ctx, who).await });
        }
    }

    /// The work of a stage of one task, which may take many items at once since it keeps them from nobody.
    async fn alone(&self, ctx: &Context) -> Result<(), Error> {
        let Counts { input, output, .. } = &*self.counts;
        let (mut batch, mut done) = (VecDeque::new(), VecDeque::new());
        let (mut credit, most) = (0, input.half());
        while poll_fn(|cx| input.poll_take(0, cx, most, &mut credit, &mut batch)).await.is_some() {
            while !batch.is_empty() {
                // One more than there is room for: that one is in this task's hands, and counts as being worked.
                let mut reserved = output.reserve(batch.len());
                for _ in 0..reserved.max(1) {
                    let Some(item) = batch.pop_front() else { break };
                    let left = batch.len();
                    // Who waits is not kept waiting for those that follow in the batch.
                    let result = before_waiting(self.attempt(ctx, item), || {
                        input.release(&mut credit, left);
                        if !done.is_empty() {
                            let count = done.len();
                            output.put(count, &mut done);
                            reserved -= count;
                        }
                    });
                    let result = result.await?;
                    done.extend(result);
                }
                if reserved == 0 && !done.is_empty() {
                    reserved = poll_fn(|cx| output.poll_reserve(0, cx, 1)).await;
                }
                output.put(reserved, &mut done);
            }
        }
        output.finish();
        Ok(())
    }

    /// The work of one of several tasks of a stage.
    async fn among(&self, ctx: &Context, who: usize) -> Result<(), Error> {
        let Counts { input, output, .. } = &*self.counts;
        let (mut taken, mut credit) = (VecDeque::new(), 0);
        while let Some(number) =
            poll_fn(|cx| input.poll_take(who, cx, 1, &mut credit, &mut taken)).await
        {
            let item = taken.pop_front().expect("what was just taken");
            let mut result = self.attempt(ctx, item).await?.map_or(Load::Nothing, Load::Item);
            poll_fn(|cx| output.poll_put(who, cx, number, &mut result)).await;
        }
        output.finish();
        Ok(())
    }

    /// Works one item, and deals with its failure.
    async fn attempt(&self, ctx: &Context, item: T) -> Result<Option<U>, Error> {
        let kept = self.failures.keep(&item);
        let result = match (self.work)(ctx, item).await {
            Ok(Some(value)) => Ok(Some(value)),
            Ok(None) => {
                self.counts.left_out.fetch_add(1, Relaxed);
                Ok(None)
            }
            Err(error) => self.failed(ctx, kept, error).await.map(|()| None),
        };
        // Work that is always ready must not keep the thread to itself.
        tokio::task::coop::consume_budget().await;
        result
    }

    async fn failed(&self, ctx: &Context, kept: Option<T>, error: Error) -> Result<(), Error> {
        // An item that was only cut off by the end of the pipeline has not failed.
        if ctx.check().is_err() && error.find::<Ended>().is_some() {
            return Err(error);
        }
        let stage = self.counts.name;
        self.counts.failed.fetch_add(1, Relaxed);
        self.counts.failures.increment(1);
        match (&self.failures, kept) {
            (Failures::Collected { collector, .. }, Some(item)) => {
                collector(DeadLetter { stage, item, error }).await
            }
            (Failures::Skipped, _) => {
                tracing::warn!(stage, error = %error.report(), "an item was skipped");
                Ok(())
            }
            _ => Err(error),
        }
    }
}

/// Runs `work`, and `flush` once if it must wait.
pub(super) async fn before_waiting<F: Future>(work: F, flush: impl FnOnce()) -> F::Output {
    let (mut work, mut flush) = (pin!(work), Some(flush));
    poll_fn(|cx| {
        let polled = work.as_mut().poll(cx);
        if let (Poll::Pending, Some(flush)) = (&polled, flush.take_if(|_| polled.is_pending())) {
            flush();
        }
        polled
    })
    .await
}
