//! A stage and the tasks that do its work.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::task::coop::consume_budget;

use super::numbers::Counts;
use super::options::{DeadLetter, Failures};
use crate::context::{Context, Ended};
use crate::error::Error;
use crate::task::Group;
use crate::task::belt::{Belt, Load};

/// A stage of a pipeline, ready to be started.
pub(super) struct Stage<T, U, F> {
    pub(super) counts: Arc<Counts<T, U>>,
    pub(super) site: &'static Location<'static>,
    pub(super) failures: Failures<T>,
    /// Its work is over when it begins, so that several tasks may take several items each.
    pub(super) computes: bool,
    pub(super) work: F,
}

/// What became of an item when its work began.
pub(super) enum Begun<U, Fut> {
    /// It was computed on the spot.
    Done(Result<Option<U>, Error>),
    /// This is to be waited for.
    Waits(Fut),
}

/// So many items are worked for one unit of the budget that tokio gives a task for one turn: work that is always ready
/// must not keep the thread to itself, but to ask after each item would cost as much as a small one.
pub(super) const ITEMS_A_UNIT: u32 = 16;

/// What a task holds that works in batches.
struct Hands<T, U> {
    /// Taken, and not begun but for the first.
    batch: VecDeque<T>,
    /// The room it holds for these.
    credit: usize,
    done: VecDeque<U>,
    /// The room that was announced for what is done.
    reserved: usize,
}

impl<T, U, F, Fut> Stage<T, U, F>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(&Context, T) -> Begun<U, Fut> + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<U>, Error>> + Send + 'static,
{
    /// Spawns the tasks of this stage.
    pub(super) fn start(self, group: &mut Group<()>, ordered: bool) {
        let Counts { name, width, ref output, .. } = *self.counts;
        let site = self.site;
        output.set_producers(width, ordered && width > 1);
        let batches = width == 1 || (self.computes && !ordered);
        let stage = Arc::new(self);
        for who in 0..width {
            let stage = stage.clone();
            group.spawn_at(name, site, move |ctx| async move {
                if batches {
                    stage.in_batches(&ctx, who).await
                } else {
                    stage.one_by_one(&ctx, who).await
                }
            });
        }
    }

    /// The work of a task that may take many items at once: one that has no others beside it, from whom to keep them,
    /// or one of several that compute, which takes half of its share of what is there. (Guided self-scheduling,
    /// Polychronopoulos and Kuck, 1987: batches shrink as the items become fewer, so the tasks end together.)
    async fn in_batches(&self, ctx: &Context, who: usize) -> Result<(), Error> {
        let Counts { input, output, width, .. } = &*self.counts;
        let (mut hands, most, mut worked) = (Hands::new(), input.half(), 0_u32);
        let share = |there: usize| if *width == 1 { most } else { there.div_ceil(2 * width) };
        while poll_fn(|cx| input.poll_take(who, cx, share, &mut hands.credit, &mut hands.batch))
            .await
            .is_some()
        {
            while !hands.batch.is_empty() {
                // One more than there is room for: that one is in this task's hands, and counts as being worked.
                hands.reserved = output.reserve(hands.batch.len());
                for _ in 0..hands.reserved.max(1) {
                    let Some(item) = hands.batch.pop_front() else { break };
                    let kept = self.failures.keep(&item);
                    // Who waits is not kept waiting for those that follow in the batch.
                    let result = match (self.work)(ctx, item) {
                        Begun::Done(result) => result,
                        Begun::Waits(work) => {
                            before_waiting(pin!(work), || hands.hand_on(input, output)).await
                        }
                    };
                    match result {
                        Ok(Some(value)) => hands.done.push_back(value),
                        Ok(None) => self.left_out(),
                        Err(error) => {
                            let failed = pin!(self.failed(ctx, kept, error));
                            before_waiting(failed, || hands.hand_on(input, output)).await?;
                        }
                    }
                    worked = worked.wrapping_add(1);
                    if worked.is_multiple_of(ITEMS_A_UNIT) {
                        consume_budget().await;
                    }
                }
                if hands.reserved == 0 && !hands.done.is_empty() {
                    hands.reserved = poll_fn(|cx| output.poll_reserve(who, cx, 1)).await;
                }
                output.put(hands.reserved, &mut hands.done);
            }
        }
        output.finish();
        Ok(())
    }

    /// The work of one of several tasks of a stage, of which one may wait while the others go on.
    async fn one_by_one(&self, ctx: &Context, who: usize) -> Result<(), Error> {
        let Counts { input, output, .. } = &*self.counts;
        let (mut taken, mut credit) = (VecDeque::new(), 0);
        while let Some(number) =
            poll_fn(|cx| input.poll_take(who, cx, |_| 1, &mut credit, &mut taken)).await
        {
            let item = taken.pop_front().expect("what was just taken");
            let kept = self.failures.keep(&item);
            let result = match (self.work)(ctx, item) {
                Begun::Done(result) => result,
                Begun::Waits(work) => work.await,
            };
            let mut load = match result {
                Ok(Some(value)) => Load::Item(value),
                Ok(None) => {
                    self.left_out();
                    Load::Nothing
                }
                Err(error) => {
                    self.failed(ctx, kept, error).await?;
                    Load::Nothing
                }
            };
            consume_budget().await;
            poll_fn(|cx| output.poll_put(who, cx, number, &mut load)).await;
        }
        output.finish();
        Ok(())
    }

    fn left_out(&self) {
        self.counts.left_out.fetch_add(1, Relaxed);
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

// ===== impl Hands =====

impl<T, U> Hands<T, U> {
    fn new() -> Self {
        Self { batch: VecDeque::new(), credit: 0, done: VecDeque::new(), reserved: 0 }
    }

    /// Gives away what others could have meanwhile: the room of what was begun, and what is done.
    fn hand_on(&mut self, input: &Belt<T>, output: &Belt<U>) {
        input.release(&mut self.credit, self.batch.len());
        if !self.done.is_empty() {
            let count = self.done.len();
            output.put(count, &mut self.done);
            self.reserved -= count;
        }
    }
}

/// Runs `work`, and `flush` once if it must wait.
pub(super) async fn before_waiting<F: Future>(
    mut work: Pin<&mut F>,
    flush: impl FnOnce(),
) -> F::Output {
    let mut flush = Some(flush);
    poll_fn(|cx| {
        let polled = work.as_mut().poll(cx);
        if polled.is_pending()
            && let Some(flush) = flush.take()
        {
            flush();
        }
        polled
    })
    .await
}
