//! The attempts of a call, polled by one task until the first of them has an answer.

use std::borrow::BorrowMut;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;
use smallvec::SmallVec;
use tokio::time::{Sleep, sleep_until};

use super::Handle;
use super::call::{Call, Next, Said};
use crate::resilience::retry::{Attempt, StopReason};
use crate::resilience::{Again, Classify, Failed, FailedKind, begun};
use crate::task;
use crate::time::Instant;

/// What makes attempts.
pub(super) trait Source<A> {
    /// Whether there is something to send.
    fn is_possible(&self) -> bool {
        true
    }

    fn send(&mut self, number: u32) -> A;
}

/// Work that is called anew for each attempt.
pub(super) struct Calls<'a, F> {
    pub(super) ctx: &'a crate::Context,
    pub(super) work: F,
}

impl<'a, F, Fut> Source<Fut> for Calls<'a, F>
where
    F: FnMut(Attempt<'a>) -> Fut,
{
    #[inline]
    fn send(&mut self, number: u32) -> Fut {
        (self.work)(Attempt::new(self.ctx, number))
    }
}

pin_project! {
    /// The first attempt is a part of it, each of the others an allocation.
    ///
    /// Its types are parameters and not those of its source: of those a future that borrows could not tell that they may
    /// be sent.
    pub(super) struct Race<S, A, T, E, H, B> {
        source: S,
        #[pin]
        first: Option<A>,
        others: Others<A>,
        #[pin]
        timer: Option<Sleep>,
        // What the timer rings for.
        set: Option<Instant>,
        // What the first attempt came to.
        answer: Option<Result<T, E>>,
        errors: Errors<E>,
        call: B,
        handle: PhantomData<fn() -> H>,
    }
}

type Others<F> = SmallVec<[Option<Pin<Box<F>>>; 1]>;
/// With the numbers of their attempts.
type Errors<E> = SmallVec<[(u32, E); 0]>;

impl<S, A, T, E, H, B> Race<S, A, T, E, H, B> {
    #[inline]
    pub(super) fn new(source: S, first: A, call: B) -> Self {
        Self {
            source,
            first: Some(first),
            others: SmallVec::new(),
            timer: None,
            set: None,
            answer: None,
            errors: SmallVec::new(),
            call,
            handle: PhantomData,
        }
    }

    pub(super) fn call(&self) -> &B {
        &self.call
    }
}

/// The parts of a race that the end of an attempt changes.
struct Ends<'r, T, E, H: Handle> {
    call: &'r mut Call<H>,
    answer: &'r mut Option<Result<T, E>>,
    errors: &'r mut Errors<E>,
}

impl<S, A, T, E, H, B> Future for Race<S, A, T, E, H, B>
where
    S: Source<A>,
    A: Future<Output = Result<T, E>>,
    H: Handle,
    H::Classify: Classify<T, E>,
    B: BorrowMut<Call<H>>,
{
    type Output = Result<T, Failed<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let call: &mut Call<H> = this.call.borrow_mut();
        let mut ends: Ends<'_, T, E, H> = Ends { call, answer: this.answer, errors: this.errors };
        let mut new_from = 0;
        loop {
            // In the order in which they were begun: of answers that are there together the earlier attempt's counts.
            let mut given = None;
            if new_from == 0
                && let Some(first) = this.first.as_mut().as_pin_mut()
                && let Poll::Ready(result) = ends.poll(1, first, cx)
            {
                this.first.set(None);
                given = ends.settle(1, result);
            }
            for place in new_from..this.others.len() {
                if given.is_some() {
                    break;
                }
                let (number, other) = (place as u32 + 2, &mut this.others[place]);
                if let Some(attempt) = other
                    && let Poll::Ready(result) = ends.poll(number, attempt.as_mut(), cx)
                {
                    *other = None;
                    given = ends.settle(number, result);
                }
            }
            if given.is_none() && this.first.is_some() && !ends.call.has_waited() {
                ends.call.waits(Instant::now());
            }
            if given.is_none() {
                new_from = this.others.len();
                let now = match ends.call.next() {
                    Next::Idle | Next::Never(_) => return Poll::Pending,
                    Next::At { at, is_now: true, .. } => at,
                    Next::At { at, .. } => {
                        if *this.set != Some(at) {
                            this.timer.set(Some(sleep_until(at.into_tokio())));
                            *this.set = Some(at);
                        }
                        let timer = this.timer.as_mut().as_pin_mut().expect("set for a moment");
                        ready!(timer.poll(cx));
                        Instant::now().max(at)
                    }
                };
                match ends.call.send(now, this.source.is_possible()) {
                    Some(number) => {
                        this.others.push(Some(Box::pin(this.source.send(number))));
                        continue;
                    }
                    None => match ends.call.rests() {
                        None => return Poll::Pending,
                        Some(reason) => given = Some(ends.give(reason)),
                    },
                }
            }
            if let Some(given) = given {
                // Gone by the time somebody knows of it. None of them may cost the answer.
                let others = mem::take(this.others);
                let name = ends.call.handle().core().name;
                task::contained(name, DROPPED, || this.first.set(None));
                task::each_contained(name, DROPPED, others.into_iter(), drop);
                return Poll::Ready(given);
            }
        }
    }
}

const DROPPED: &str = "an attempt that lost panicked when it was dropped";

impl<T, E, H> Ends<'_, T, E, H>
where
    H: Handle,
    H::Classify: Classify<T, E>,
{
    /// Polls an attempt, and notes when it has left a queue on this side.
    #[inline]
    fn poll<A: Future>(
        &mut self,
        number: u32,
        attempt: Pin<&mut A>,
        cx: &mut Poller<'_>,
    ) -> Poll<A::Output> {
        // Nobody who is polled for the first time has waited.
        if !self.call.has_waited() {
            return attempt.poll(cx);
        }
        let (polled, begun) = begun::heard(|| attempt.poll(cx));
        if let Some(at) = begun {
            self.call.begins(number, at);
        }
        polled
    }

    /// An attempt has ended: what the call comes to, if it is over.
    #[inline]
    fn settle(&mut self, number: u32, result: Result<T, E>) -> Option<Result<T, Failed<E>>> {
        let classify = self.call.handle().classify();
        let again = classify.again(result.as_ref());
        if again == Again::Never && result.is_ok() && !self.call.has_waited() {
            self.call.succeeded_at_once();
            return Some(result.map_err(|error| FailedKind::Callee(error).into()));
        }
        let is_final = again == Again::Never;
        let retry_after = if is_final { None } else { classify.retry_after(result.as_ref()) };
        let said = Said { again, is_ok: result.is_ok(), retry_after };
        let over = self.call.judge(number, said);
        match (over, result) {
            (Some(_), Ok(value)) if is_final => Some(Ok(value)),
            (Some(reason), Err(error)) if is_final => Some(Err(self.fail(error, reason))),
            (over, result) => {
                self.keep(number, result);
                over.map(|reason| self.give(reason))
            }
        }
    }

    /// An answer that is none is kept of the first attempt alone: it may hold a connection.
    fn keep(&mut self, number: u32, result: Result<T, E>) {
        match result {
            result if number == 1 => *self.answer = Some(result),
            Ok(_) => {}
            Err(error) => self.errors.push((number, error)),
        }
    }

    /// What the first attempt came to, when all have failed.
    fn give(&mut self, reason: StopReason) -> Result<T, Failed<E>> {
        match self.answer.take().expect("all have ended") {
            Ok(value) => Ok(value),
            Err(error) => Err(self.fail(error, reason)),
        }
    }

    fn fail(&mut self, error: E, reason: StopReason) -> Failed<E> {
        let first = self.answer.take().and_then(Result::err);
        let mut others = mem::take(self.errors);
        others.sort_by_key(|(number, _)| *number);
        let others = first.into_iter().chain(others.into_iter().map(|(_, error)| error));
        let others = others.map(|error| FailedKind::Callee(error).into()).collect();
        let failed = Failed::from(FailedKind::Callee(error));
        failed.stopped(self.call.stopped(reason)).with_others(others)
    }
}
