//! Waiting for a place.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use super::core::{Core, Held};
use super::options::Options;
use super::permit::Permit;
use crate::context::Context;
use crate::resilience::{Failed, Priority, begun};
use crate::sync::semaphore::{Denied, Wait};
use crate::time::{Instant, Nap};

/// A place in the queue, from the first poll on. Dropping it leaves the queue; a place inside that was granted meanwhile
/// goes to the next.
pub(super) struct Turn<'h, 'c, E> {
    wait: Wait<'c, Held<'h>>,
    ctx: &'c Context,
    weight: usize,
    came: Instant,
    /// Set while it waits.
    end: Option<End>,
    nap: Nap,
    /// What else may fail.
    callee: PhantomData<fn() -> E>,
}

/// When a wait ends, if not by its context.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct End {
    at: Option<Instant>,
    /// Because of how long the queue stands, and not because of how long a wait may be.
    stands: bool,
}

impl<'h, 'c, E> Turn<'h, 'c, E> {
    /// For who has just found that it is full. Without a `priority` the one of the context counts.
    pub(super) fn new(
        core: Held<'h>,
        ctx: &'c Context,
        weight: usize,
        priority: Option<Priority>,
    ) -> Self {
        let priority = priority.or_else(|| ctx.get::<Priority>().copied()).unwrap_or_default();
        let wait = Wait::new(core, ctx, weight, priority.level());
        Self {
            wait,
            ctx,
            weight,
            came: Instant::now(),
            end: None,
            nap: Nap::default(),
            callee: PhantomData,
        }
    }

    fn core(&self) -> &Core {
        self.wait.core().get()
    }

    /// It has come to wait.
    #[cold]
    fn begin(&mut self) -> End {
        let end = End::new(&self.core().options(), self.came, self.wait.standing());
        // The context ends it by itself, and a deadline at the same moment wins.
        let is_late = self.ctx.deadline().is_some_and(|deadline| end.at >= Some(deadline));
        let end = if is_late { End { at: None, ..end } } else { end };
        self.end = Some(end);
        self.core().meters.queues();
        end
    }

    /// It waits no more.
    fn is_over(&mut self) -> bool {
        let waited = self.end.take().is_some();
        if waited {
            self.core().meters.queues_no_more();
        }
        waited
    }
}

impl<'h, E> Future for Turn<'h, '_, E> {
    type Output = Result<Permit<'h>, Failed<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let turn = &mut *self;
        let denied = match turn.wait.poll_turn(cx) {
            Poll::Ready(Ok(())) => {
                let permit = Permit::new(turn.wait.core().clone(), turn.weight);
                turn.core().meters.permitted(turn.weight);
                if turn.is_over() {
                    begun::now();
                    let core = turn.core();
                    core.meters.waited(core.name(), turn.came.elapsed());
                }
                return Poll::Ready(Ok(permit));
            }
            Poll::Ready(Err(Denied::Ended(ended))) => ended.into(),
            Poll::Ready(Err(Denied::Refused(why))) => turn.core().refuse(why, turn.weight).into(),
            Poll::Pending => {
                let end = turn.end.unwrap_or_else(|| turn.begin());
                match end.at {
                    Some(at) if turn.nap.poll(at, cx).is_ready() => {
                        turn.wait.leave();
                        turn.core().too_late(end.stands).into()
                    }
                    _ => return Poll::Pending,
                }
            }
        };
        turn.is_over();
        Poll::Ready(Err(denied))
    }
}

impl<E> Drop for Turn<'_, '_, E> {
    fn drop(&mut self) {
        self.is_over();
    }
}

impl End {
    /// Of who came at `came` to a queue in which somebody waits since `standing`.
    ///
    /// A queue that is not empty stays so while one waits in it, so when it will stand is known from the beginning.
    fn new(options: &Options, came: Instant, standing: Option<Instant>) -> Self {
        let longest = options.longest_wait();
        let limit = (longest != Duration::MAX && !longest.is_zero()).then(|| came + longest);
        let delay = options
            .delays()
            .map(|(target, interval)| (came + target).max(standing.unwrap_or(came) + interval));
        match (limit, delay) {
            (Some(limit), Some(delay)) if limit <= delay => Self { at: Some(limit), stands: false },
            (_, Some(delay)) => Self { at: Some(delay), stands: true },
            (limit, None) => Self { at: limit, stands: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resilience::bulkhead::Discipline;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn d8_a_queue_that_stands_ends_each_wait_after_five_milliseconds() {
        let options = Options::default().max_queue(8).discipline(Discipline::codel());
        let since = Instant::now();
        let end = |options: &Options, came| {
            let end = End::new(options, since + came * MS, Some(since));
            (end.at.unwrap() - since, end.stands)
        };
        // It comes, it ends: the first has the interval, and so has who came while the queue was young.
        for (came, ends) in [(0, 100), (90, 100), (95, 100), (96, 101), (100, 105), (150, 155)] {
            assert_eq!(end(&options, came), (ends * MS, true), "{came}");
        }
        let short = options.max_wait(20 * MS);
        for (came, ends) in [(0, (20, false)), (85, (100, true)), (150, (155, true))] {
            assert_eq!(end(&short, came), (ends.0 * MS, ends.1), "{came}");
        }
    }
}
