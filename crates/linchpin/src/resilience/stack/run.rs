//! One call through a stack, from its first attempt to its end.

use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};
use std::thread;

use pin_project_lite::pin_project;

use super::parts::Parts;
use super::taken::{Ask, Holding, Said, Taken, Waiting};
use super::work::Work;
use crate::context::{Cause, Context, Ended};
use crate::resilience::adaptive::Ending;
use crate::resilience::retry::{self, Attempt, Bounds, StopReason};
use crate::resilience::timeout::{Cut, Limited};
use crate::resilience::{Again, Classify, Failed, FailedKind, Outcome};
use crate::time::Instant;

pin_project! {
    /// A call. `H` is what holds the stack: a borrow, or a handle of its own.
    ///
    /// Written by hand and not as an async function: so it has a name, which a service's future needs, and what it has
    /// taken is plain.
    // No bound here says what the work is: a bound with a lifetime in it would keep whoever waits for a call from being
    // `Send`, as far as the compiler can see.
    pub(super) struct Run<'a, H, C, W, F, E>
    where
        H: Deref<Target = Parts<C>>,
    {
        parts: H,
        ctx: &'a Context,
        work: W,
        // When all must be over, as the stack has it.
        deadline: Option<Instant>,
        // When the request's answer is too late, as the request has it.
        until: Option<Instant>,
        // Of the first attempt.
        number: u32,
        // When the attempt began.
        now: Instant,
        retry: Option<retry::Call<Retrying<H, C>>>,
        is_idempotent: bool,
        before: Option<Failed<E>>,
        taken: Taken,
        unwinding: bool,
        #[pin]
        step: Step<'a, F>,
    }

    impl<'a, H, C, W, F, E> PinnedDrop for Run<'a, H, C, W, F, E>
    where
        H: Deref<Target = Parts<C>>,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // The work first: it may use what it holds to its very end.
            this.step.set(Step::Done);
            drop(Holding::new(&**this.parts, this.taken, *this.unwinding));
        }
    }
}

pin_project! {
    #[project = StepOf]
    enum Step<'a, F> {
        // The next attempt asks the policies.
        Asking,
        // It was let in.
        Beginning,
        // A service gets ready once more.
        Readying,
        Waiting { waiting: Waiting<'a> },
        Working { #[pin] work: Limited<'a, F> },
        Resting { rest: Rest<'a> },
        Done,
    }
}

type Rest<'a> = Pin<Box<dyn Future<Output = Result<(), Ended>> + Send + 'a>>;

/// The retry of a stack, for who holds the stack.
pub(super) struct Retrying<H, C>(H, PhantomData<fn() -> C>);

impl<C, H: Deref<Target = Parts<C>>> AsRef<retry::Core> for Retrying<H, C> {
    #[inline]
    fn as_ref(&self) -> &retry::Core {
        &self.0.retry.as_ref().expect("made where there is one").core
    }
}

/// What is known of a call beside what the stack says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) deadline: Option<Instant>,
    pub(super) is_idempotent: Option<bool>,
    /// Of the first attempt: a hedge makes each by itself.
    pub(super) number: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self { deadline: None, is_idempotent: None, number: 1 }
    }
}

/// What an attempt came to.
enum End<T, E> {
    /// The context ended, while the work ran or before.
    Ended(Ended, bool),
    Said(Result<T, Failed<E>>),
}

impl<'a, H, C, W> Run<'a, H, C, W, W::Future, W::Error>
where
    W: Work<'a>,
    H: Deref<Target = Parts<C>> + Clone,
    C: Classify<W::Value, W::Error>,
{
    #[inline]
    pub(super) fn new(parts: H, ctx: &'a Context, work: W, terms: Terms) -> Self {
        let now = Instant::now();
        let own = parts.deadline.map(|limit| now + limit);
        let deadline = match (own, terms.deadline) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let retry = &parts.retry;
        let is_idempotent = terms
            .is_idempotent
            .unwrap_or_else(|| retry.as_ref().is_some_and(|retry| retry.is_idempotent));
        let retry = retry.is_some().then(|| retry::Call::new(Retrying(parts.clone(), PhantomData)));
        Self {
            parts,
            ctx,
            work,
            deadline,
            until: terms.deadline,
            number: terms.number,
            now,
            retry,
            is_idempotent,
            before: None,
            taken: Taken::default(),
            unwinding: thread::panicking(),
            step: Step::Asking,
        }
    }
}

impl<'a, H, C, W> Future for Run<'a, H, C, W, W::Future, W::Error>
where
    W: Work<'a>,
    H: Deref<Target = Parts<C>> + Clone,
    C: Classify<W::Value, W::Error>,
{
    type Output = Result<W::Value, Failed<W::Error>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        loop {
            let end = ready!(self.as_mut().poll_attempt(cx));
            let mut this = self.as_mut().project();
            // Gone by the time somebody knows of it.
            this.step.set(Step::Done);
            let Some(call) = this.retry.as_mut() else {
                return Poll::Ready(match end {
                    End::Ended(ended, _) => Err(ended.into()),
                    End::Said(result) => result,
                });
            };
            let result = match end {
                End::Ended(ended, while_it_ran) => {
                    return Poll::Ready(Err(call.cut(ended, while_it_ran)));
                }
                End::Said(result) => result,
            };
            let again = this.parts.classify.again(result.as_ref());
            if again == Again::Never && result.is_ok() && call.attempts == 1 {
                call.succeeded_at_once();
                return Poll::Ready(result);
            }
            if let Some(given) = self.as_mut().judge(again, result) {
                return Poll::Ready(given);
            }
        }
    }
}

impl<'a, H, C, W> Run<'a, H, C, W, W::Future, W::Error>
where
    W: Work<'a>,
    H: Deref<Target = Parts<C>> + Clone,
    C: Classify<W::Value, W::Error>,
{
    /// One attempt, and the rest before it.
    #[inline]
    fn poll_attempt(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<End<W::Value, W::Error>> {
        let mut this = self.project();
        let (ctx, parts) = (*this.ctx, &**this.parts);
        let hold = |taken: &mut Taken| Holding::new(parts, taken, *this.unwinding);
        loop {
            match this.step.as_mut().project() {
                StepOf::Asking => {
                    if let Some(ended) = ended(ctx, *this.now, *this.deadline) {
                        return Poll::Ready(End::Ended(ended, false));
                    }
                    let (now, deadline, until) = (*this.now, *this.deadline, *this.until);
                    let mut holding = hold(this.taken);
                    match holding.enter(Ask { ctx, now, deadline, until }) {
                        Ok(None) => this.step.set(Step::Beginning),
                        Ok(Some(waiting)) => this.step.set(Step::Waiting { waiting }),
                        Err(refusal) => return Poll::Ready(End::Said(Err(refusal.into()))),
                    }
                    holding.keep(this.taken);
                }
                StepOf::Beginning => {
                    let number = this.retry.as_ref().map_or(*this.number, |call| call.attempts);
                    let attempt = Attempt::new(ctx, number).until(*this.deadline);
                    let holding = hold(this.taken);
                    let work = this.work.begin(attempt);
                    holding.keep(this.taken);
                    this.step.set(Step::Working { work: Limited::new(ctx, work) });
                }
                StepOf::Working { mut work } => {
                    let holding = hold(this.taken);
                    let limits = parts.limits(*this.deadline);
                    let Poll::Ready(result) = work.as_mut().poll_within(cx, limits) else {
                        holding.keep(this.taken);
                        return Poll::Pending;
                    };
                    // What never waited has ended when it began, as far as anybody can tell.
                    let now = if work.has_waited() { None } else { Some(*this.now) };
                    return Poll::Ready(conclude(&parts.classify.0, holding, result, now));
                }
                StepOf::Waiting { waiting } => {
                    let entered = ready!(waiting.as_mut().poll(cx));
                    *this.now = Instant::now();
                    match entered {
                        Ok(place) => {
                            let mut holding = hold(this.taken);
                            if let Err(refusal) = holding.begin(place, *this.now) {
                                return Poll::Ready(End::Said(Err(refusal.into())));
                            }
                            // Whoever ends it at the very moment is heard, too.
                            if let Some(ended) = ended(ctx, *this.now, *this.deadline) {
                                return Poll::Ready(End::Ended(ended, false));
                            }
                            holding.keep(this.taken);
                            this.step.set(Step::Beginning);
                        }
                        Err(failed) => {
                            drop(hold(this.taken));
                            return Poll::Ready(match failed.into_kind() {
                                FailedKind::Callee(never) => match never {},
                                FailedKind::Ended(ended) => End::Ended(ended, false),
                                FailedKind::Refused(refusal) => End::Said(Err(refusal.into())),
                                other => unreachable!("an admission only refuses: {other:?}"),
                            });
                        }
                    }
                }
                StepOf::Resting { rest } => {
                    if let Err(ended) = ready!(rest.as_mut().poll(cx)).and_then(|()| ctx.check()) {
                        return Poll::Ready(End::Ended(ended, false));
                    }
                    this.step.set(Step::Readying);
                }
                StepOf::Readying => {
                    if let Err(error) = ready!(this.work.poll_ready(cx)) {
                        return Poll::Ready(End::Said(Err(FailedKind::Callee(error).into())));
                    }
                    *this.now = Instant::now();
                    this.step.set(Step::Asking);
                }
                StepOf::Done => panic!("polled after its end"),
            }
        }
    }

    /// Sees to it that there is a further attempt, or gives what there is.
    #[inline(never)]
    fn judge(
        self: Pin<&mut Self>,
        again: Again,
        result: Result<W::Value, Failed<W::Error>>,
    ) -> Option<Result<W::Value, Failed<W::Error>>> {
        let mut this = self.project();
        let (ctx, classify) = (*this.ctx, &this.parts.classify);
        let call = this.retry.as_mut().expect("asked where there is one");
        let retry_after =
            if again == Again::Never { None } else { classify.retry_after(result.as_ref()) };
        let said = retry::Said { again, is_ok: result.is_ok(), retry_after };
        let bounds = Bounds {
            deadline: Attempt::new(ctx, call.attempts).until(*this.deadline).deadline(),
            ended: ctx.check().err().as_ref().map(StopReason::of_end),
            is_idempotent: *this.is_idempotent,
            is_replayable: this.work.is_replayable(),
        };
        match call.judge(said, bounds) {
            Ok(delay) => {
                // An answer may hold a connection, so it goes before the wait.
                *this.before = result.err();
                let rest = || Box::pin(async move { ctx.sleep(delay).await });
                this.step.set(if delay.is_zero() {
                    Step::Readying
                } else {
                    Step::Resting { rest: rest() }
                });
                None
            }
            Err(stopped) => {
                let retry = this.parts.retry.as_ref().expect("asked where there is one");
                let given = retry.core.give(result, this.before.take(), said, stopped);
                Some(given.map_err(Failed::flatten))
            }
        }
    }
}

/// Tells the policies how the work ended.
#[inline]
fn conclude<T, E, C: Classify<T, E>>(
    classify: &C,
    holding: Holding<'_, C>,
    result: Result<Result<T, E>, Cut>,
    now: Option<Instant>,
) -> End<T, E> {
    match result {
        Ok(result) => {
            let parts = holding.parts();
            let outcome = classify.classify(result.as_ref());
            let mut said = Said::plain(outcome);
            if outcome == Outcome::Failure {
                said.hint = classify.retry_after(result.as_ref());
            }
            if parts.throttle.is_some() {
                said.load = classify.load(result.as_ref());
            }
            if parts.adaptive.is_some() && classify.overloaded(result.as_ref()) {
                said.ending = Ending::Overloaded;
            }
            holding.settle(said, now);
            End::Said(result.map_err(|error| FailedKind::Callee(error).into()))
        }
        Err(Cut::TimedOut) => {
            holding.settle(Said::cut(Outcome::Failure), now);
            End::Said(Err(FailedKind::TimedOut.into()))
        }
        Err(Cut::Ended(ended)) => {
            holding.settle(Said::cut(Outcome::of_end(&ended)), now);
            End::Ended(ended, true)
        }
    }
}

/// Whether it is too late already, by a clock that was read a moment ago.
#[inline]
fn ended(ctx: &Context, now: Instant, deadline: Option<Instant>) -> Option<Ended> {
    if ctx.is_cancelled() || ctx.deadline().is_some_and(|at| now >= at) {
        return ctx.check().err();
    }
    deadline.filter(|at| now >= *at).map(|_| Cause::Deadline.into())
}
