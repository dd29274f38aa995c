//! One call through a stack, from its first attempt to its end. Written by hand: its future has a name, which a service
//! needs, and what nearly all calls have, a first attempt that succeeds at once, keeps nothing in it.

use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};
use std::thread;

use pin_project_lite::pin_project;

use super::end::{End, conclude};
use super::parts::Parts;
use super::taken::{Ask, Holding, Left, Taken, Waiting};
use super::work::Work;
use crate::context::{Cause, Context, Ended};
use crate::resilience::retry::{self, Attempt, Bounds, StopReason};
use crate::resilience::timeout::Patience;
use crate::resilience::within::poll_work;
use crate::resilience::{Again, Classify, Failed, FailedKind};
use crate::time::Instant;

pin_project! {
    /// A call. `H` is what holds the stack: a borrow, or a handle of its own.
    // No bound here says what the work is: a bound with a lifetime in it would keep whoever waits for a call from being
    // `Send`, as far as the compiler can see.
    pub(super) struct Run<'a, H, C, W, F, E>
    where
        H: Deref<Target = Parts<C>>,
    {
        parts: H,
        ctx: &'a Context,
        work: W,
        terms: Terms,
        has_begun: bool,
        #[pin]
        attempt: Option<F>,
        // Of a call whose first attempt was not over at once. Large, and seldom made for nothing.
        late: Option<Pin<Box<Late<'a, E>>>>,
    }

    impl<'a, H, C, W, F, E> PinnedDrop for Run<'a, H, C, W, F, E>
    where
        H: Deref<Target = Parts<C>>,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // The work first: it may use what it holds to its very end.
            this.attempt.set(None);
            if let Some(late) = this.late {
                late.as_mut().project().left.give_back(&**this.parts);
            }
        }
    }
}

pin_project! {
    /// What the further course of a call needs.
    struct Late<'a, E> {
        // When all must be over, as the stack has it.
        deadline: Option<Instant>,
        // When the attempt began.
        now: Instant,
        left: Left,
        before: Option<Failed<E>>,
        step: Step<'a>,
        #[pin]
        patience: Patience<'a>,
    }
}

enum Step<'a> {
    /// The next attempt asks the policies.
    Asking,
    /// It was let in.
    Beginning,
    /// A service gets ready once more.
    Readying,
    Waiting(Waiting<'a>),
    Working,
    Resting(Rest<'a>),
}

type Rest<'a> = Pin<Box<dyn Future<Output = Result<(), Ended>> + Send + 'a>>;

/// What is known of a call beside what the stack says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// When its time began: when it is polled for the first time, if nothing is said.
    pub(super) began: Option<Instant>,
    /// When its answer is too late, as the request has it.
    pub(super) deadline: Option<Instant>,
    pub(super) is_idempotent: Option<bool>,
    /// Of the first attempt: a hedge makes each by itself.
    pub(super) number: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self { began: None, deadline: None, is_idempotent: None, number: 1 }
    }
}

impl<'a, H, C, W> Run<'a, H, C, W, W::Future, W::Error>
where
    W: Work<'a>,
    H: Deref<Target = Parts<C>>,
    C: Classify<W::Value, W::Error>,
{
    #[inline]
    pub(super) fn new(parts: H, ctx: &'a Context, work: W, terms: Terms) -> Self {
        Self { parts, ctx, work, terms, has_begun: false, attempt: None, late: None }
    }
}

impl<'a, H, C, W> Future for Run<'a, H, C, W, W::Future, W::Error>
where
    W: Work<'a>,
    H: Deref<Target = Parts<C>>,
    C: Classify<W::Value, W::Error>,
{
    type Output = Result<W::Value, Failed<W::Error>>;

    #[expect(clippy::inline_always, reason = "a few instructions that each call has")]
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        if self.has_begun {
            return self.poll_on(cx, None);
        }
        let mut this = self.as_mut().project();
        *this.has_begun = true;
        let (ctx, parts, terms) = (*this.ctx, &**this.parts, *this.terms);
        let now = terms.began.unwrap_or_else(Instant::now);
        let deadline = parts.deadline(now, terms.deadline);
        let mut call = parts.retry.as_ref().map(|retry| retry::Call::new(&*retry.core));
        let unwinding = thread::panicking();
        let mut holding = Holding::new(parts, unwinding);
        let (step, taken, first) = 'late: {
            if let Some(ended) = ended(ctx, now, deadline) {
                let end = End::Ended(ended, false);
                break 'late (Step::Working, holding.leave(), Some(Poll::Ready(end)));
            }
            match holding.enter(Ask { ctx, now, deadline, until: terms.deadline }) {
                Ok(None) => {}
                Ok(Some(waiting)) => {
                    break 'late (Step::Waiting(waiting), holding.leave(), None);
                }
                Err(refusal) => {
                    drop(holding);
                    let end = End::Said(Err(refusal.into()));
                    break 'late (Step::Working, Taken::default(), Some(Poll::Ready(end)));
                }
            }
            let attempt = Attempt::new(ctx, terms.number).until(deadline);
            this.attempt.set(Some(this.work.begin(attempt)));
            let Poll::Ready(result) = poll_work(this.attempt, cx) else {
                break 'late (Step::Working, holding.leave(), Some(Poll::Pending));
            };
            // What never waited has ended when it began, as far as anybody can tell.
            let end = conclude(&parts.classify.0, holding, Ok(result), Some(now));
            if let End::Said(Ok(value)) = &end
                && parts.classify.again(Ok(value)) == Again::Never
                && let Some(call) = &mut call
            {
                call.succeeded_at_once();
            } else if call.is_some() {
                break 'late (Step::Working, Taken::default(), Some(Poll::Ready(end)));
            }
            return Poll::Ready(end.into());
        };
        let left = Left::new(taken, call.map(retry::Call::suspend), unwinding);
        let patience = Patience::default();
        let late = Late { deadline, now, left, before: None, step, patience };
        *this.late = Some(Box::pin(late));
        self.poll_on(cx, first)
    }
}

impl<'a, H, C, W> Run<'a, H, C, W, W::Future, W::Error>
where
    W: Work<'a>,
    H: Deref<Target = Parts<C>>,
    C: Classify<W::Value, W::Error>,
{
    /// All that comes after the first look; `first` is what the first attempt came to, if it has been polled.
    #[inline(never)]
    fn poll_on(
        mut self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
        mut first: Option<Poll<End<W::Value, W::Error>>>,
    ) -> Poll<<Self as Future>::Output> {
        loop {
            let end = match first.take() {
                Some(Poll::Ready(end)) => end,
                Some(Poll::Pending) => ready!(self.as_mut().poll_working(cx, Looked::Already)),
                None => ready!(self.as_mut().poll_attempt(cx)),
            };
            if let Some(given) = self.as_mut().judge(end) {
                return Poll::Ready(given);
            }
        }
    }

    /// One attempt, and the rest before it.
    fn poll_attempt(
        mut self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
    ) -> Poll<End<W::Value, W::Error>> {
        loop {
            let mut this = self.as_mut().project();
            let (ctx, parts) = (*this.ctx, &**this.parts);
            let late = this.late.as_mut().expect(LATE).as_mut().project();
            match late.step {
                Step::Asking => {
                    let (now, deadline) = (*late.now, *late.deadline);
                    if let Some(ended) = ended(ctx, now, deadline) {
                        return Poll::Ready(End::Ended(ended, false));
                    }
                    let mut holding = late.left.hold(parts);
                    let ask = Ask { ctx, now, deadline, until: this.terms.deadline };
                    *late.step = match holding.enter(ask) {
                        Ok(None) => Step::Beginning,
                        Ok(Some(waiting)) => Step::Waiting(waiting),
                        Err(refusal) => return Poll::Ready(End::Said(Err(refusal.into()))),
                    };
                    late.left.keep(holding);
                }
                Step::Beginning => {
                    let number = late.left.attempts().unwrap_or(this.terms.number);
                    let attempt = Attempt::new(ctx, number).until(*late.deadline);
                    let holding = late.left.hold(parts);
                    this.attempt.set(Some(this.work.begin(attempt)));
                    late.left.keep(holding);
                    *late.step = Step::Working;
                }
                Step::Working => return self.poll_working(cx, Looked::NotYet),
                Step::Waiting(waiting) => {
                    let entered = ready!(waiting.as_mut().poll(cx));
                    *late.now = Instant::now();
                    match entered {
                        Ok(place) => {
                            let mut holding = late.left.hold(parts);
                            if let Err(refusal) = holding.begin(place, *late.now) {
                                return Poll::Ready(End::Said(Err(refusal.into())));
                            }
                            // Whoever ends it at the very moment is heard, too.
                            if let Some(ended) = ended(ctx, *late.now, *late.deadline) {
                                return Poll::Ready(End::Ended(ended, false));
                            }
                            late.left.keep(holding);
                            *late.step = Step::Beginning;
                        }
                        Err(failed) => {
                            drop(late.left.hold(parts));
                            return Poll::Ready(match failed.into_kind() {
                                FailedKind::Callee(never) => match never {},
                                FailedKind::Ended(ended) => End::Ended(ended, false),
                                FailedKind::Refused(refusal) => End::Said(Err(refusal.into())),
                                other => unreachable!("an admission only refuses: {other:?}"),
                            });
                        }
                    }
                }
                Step::Resting(rest) => {
                    if let Err(ended) = ready!(rest.as_mut().poll(cx)).and_then(|()| ctx.check()) {
                        return Poll::Ready(End::Ended(ended, false));
                    }
                    *late.step = Step::Readying;
                }
                Step::Readying => {
                    if let Err(error) = ready!(this.work.poll_ready(cx)) {
                        return Poll::Ready(End::Said(Err(FailedKind::Callee(error).into())));
                    }
                    *late.now = Instant::now();
                    *late.step = Step::Asking;
                }
            }
        }
    }

    /// The work of an attempt that was let in.
    fn poll_working(
        self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
        looked: Looked,
    ) -> Poll<End<W::Value, W::Error>> {
        let mut this = self.project();
        let (ctx, parts) = (*this.ctx, &**this.parts);
        let mut late = this.late.as_mut().expect(LATE).as_mut().project();
        let holding = late.left.hold(parts);
        let limits = parts.limits(*late.deadline);
        // The work before the timer: a result that is there at that very moment wins.
        let polled = match looked {
            Looked::Already => Poll::Pending,
            Looked::NotYet => poll_work(this.attempt.as_mut(), cx),
        };
        let result = match polled {
            Poll::Ready(result) => late.patience.heard(result, limits),
            Poll::Pending => {
                let Poll::Ready(cut) = late.patience.as_mut().poll_cut(cx, ctx, limits) else {
                    late.left.keep(holding);
                    return Poll::Pending;
                };
                // Gone by the time somebody knows of it.
                this.attempt.set(None);
                Err(cut)
            }
        };
        // As of the first attempt.
        let now = if late.patience.has_waited() { None } else { Some(*late.now) };
        Poll::Ready(conclude(&parts.classify.0, holding, result, now))
    }

    /// Sees to it that there is a further attempt, or gives what there is.
    fn judge(
        self: Pin<&mut Self>,
        end: End<W::Value, W::Error>,
    ) -> Option<Result<W::Value, Failed<W::Error>>> {
        let this = self.project();
        let (ctx, parts) = (*this.ctx, &**this.parts);
        let mut late = this.late.as_mut().expect(LATE).as_mut().project();
        let Some(mut call) = late.left.resume(parts) else { return Some(end.into()) };
        let result = match end {
            End::Ended(ended, while_it_ran) => return Some(Err(call.cut(ended, while_it_ran))),
            End::Said(result) => result,
        };
        let classify = &parts.classify;
        let again = classify.again(result.as_ref());
        if again == Again::Never && result.is_ok() && call.attempts() == 1 {
            call.succeeded_at_once();
            return Some(result);
        }
        let retry = parts.retry.as_ref().expect("it is the retry's call");
        let said = retry::Said::by(classify, again, result.as_ref());
        let bounds = Bounds {
            deadline: Attempt::new(ctx, call.attempts()).until(*late.deadline).deadline(),
            ended: ctx.check().err().as_ref().map(StopReason::of_end),
            is_idempotent: this.terms.is_idempotent.unwrap_or(retry.is_idempotent),
            is_replayable: this.work.is_replayable(),
        };
        match call.judge(said, bounds) {
            Ok(delay) => {
                // An answer may hold a connection, so it goes before the wait.
                *late.before = result.err();
                late.left.suspend(call);
                late.patience.set(Patience::default());
                let rest = || Box::pin(async move { ctx.sleep(delay).await });
                *late.step = if delay.is_zero() { Step::Readying } else { Step::Resting(rest()) };
                None
            }
            Err(stopped) => {
                let given = retry.core.give(result, late.before.take(), said, stopped);
                Some(given.map_err(Failed::flatten))
            }
        }
    }
}

const LATE: &str = "polled after its end";

/// Whether the work has been polled for this wake-up.
#[derive(Clone, Copy)]
enum Looked {
    NotYet,
    Already,
}

/// Whether it is too late already, by a clock that was read a moment ago.
#[inline]
fn ended(ctx: &Context, now: Instant, deadline: Option<Instant>) -> Option<Ended> {
    if ctx.is_cancelled() || ctx.deadline().is_some_and(|at| now >= at) {
        return ctx.check().err();
    }
    deadline.filter(|at| now >= *at).map(|_| Cause::Deadline.into())
}
