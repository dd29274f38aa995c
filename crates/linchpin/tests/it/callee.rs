//! The service under the layers: it holds whoever calls it to tower's contract.

use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as Poller, Poll, Waker};

use tower_service::Service;

/// Answers a request as a closure does. It panics if it is called without having been ready, and a clone has to get ready for
/// itself.
#[derive(Debug)]
pub(crate) struct Callee<F, E = &'static str> {
    answer: F,
    readiness: Poll<Result<(), E>>,
    is_ready: bool,
    /// How often it was found ready, and called. Clones share it.
    seen: Arc<(AtomicUsize, AtomicUsize)>,
}

/// What most of them are asked for, and answer.
pub(crate) type Answer = Result<u8, &'static str>;

/// Answers at once with what it is asked for.
pub(crate) type Echo = Callee<fn(Answer) -> Ready<Answer>>;

/// An answer that is there at once.
pub(crate) type Said<T, E> = Ready<Result<T, E>>;

/// What was asked, in order.
pub(crate) type Asked<R> = Arc<Mutex<Vec<R>>>;

/// What an [`echo`] panics at.
pub(crate) const PANIC: Answer = Ok(255);

pub(crate) fn callee<R, T, E, Fut, F>(answer: F) -> Callee<F, E>
where
    F: Fn(R) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    Callee { answer, readiness: Poll::Ready(Ok(())), is_ready: false, seen: Arc::default() }
}

pub(crate) fn echo() -> Echo {
    callee(|answer| {
        assert!(answer != PANIC, "a callee that panics");
        ready(answer)
    })
}

/// Answers by script, with its last line again and again, and keeps what it was asked.
pub(crate) fn scripted<R, T: Clone, E: Clone>(
    script: Vec<Result<T, E>>,
    asked: &Asked<R>,
) -> Callee<impl Fn(R) -> Said<T, E> + Clone + use<R, T, E>, E> {
    let (script, asked) = (Arc::new(Mutex::new(script)), asked.clone());
    callee(move |request| {
        asked.lock().unwrap().push(request);
        let mut script = script.lock().unwrap();
        ready(if script.len() > 1 { script.remove(0) } else { script[0].clone() })
    })
}

/// Whether it is ready now.
pub(crate) fn is_ready<S: Service<R>, R>(service: &mut S) -> bool {
    matches!(service.poll_ready(&mut Poller::from_waker(Waker::noop())), Poll::Ready(Ok(())))
}

impl<F, E> Callee<F, E> {
    /// One that has this to say when it is asked whether it is ready.
    pub(crate) fn readiness(self, readiness: Poll<Result<(), E>>) -> Self {
        Self { readiness, ..self }
    }

    /// How often it was found ready.
    pub(crate) fn readied(&self) -> usize {
        self.seen.0.load(Ordering::Relaxed)
    }

    /// How often it was called.
    pub(crate) fn calls(&self) -> usize {
        self.seen.1.load(Ordering::Relaxed)
    }
}

impl<F: Clone, E: Clone> Clone for Callee<F, E> {
    fn clone(&self) -> Self {
        let Self { answer, readiness, is_ready: _, seen } = self;
        let (answer, readiness, seen) = (answer.clone(), readiness.clone(), seen.clone());
        Self { answer, readiness, is_ready: false, seen }
    }
}

impl<R, T, E, Fut, F> Service<R> for Callee<F, E>
where
    F: Fn(R) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: Clone,
{
    type Response = T;
    type Error = E;
    type Future = Fut;

    fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), E>> {
        self.is_ready = matches!(self.readiness, Poll::Ready(Ok(())));
        self.seen.0.fetch_add(usize::from(self.is_ready), Ordering::Relaxed);
        self.readiness.clone()
    }

    fn call(&mut self, request: R) -> Fut {
        assert!(std::mem::take(&mut self.is_ready), "called without having been ready");
        self.seen.1.fetch_add(1, Ordering::Relaxed);
        (self.answer)(request)
    }
}

#[test]
fn who_calls_a_callee_that_is_not_ready_is_noticed() {
    let calls = |callee: &mut Echo| catch_unwind(AssertUnwindSafe(|| drop(callee.call(Ok(1)))));
    let mut one = echo();
    assert!(is_ready(&mut one));
    assert!(calls(&mut one.clone()).is_err(), "a clone gets ready for itself");
    assert!(calls(&mut one).is_ok());
    assert!(calls(&mut one).is_err(), "once for each call");
    let mut never = echo().readiness(Poll::Pending);
    assert!(!is_ready(&mut never) && calls(&mut never).is_err());
    assert_eq!((one.readied(), one.calls(), never.readied()), (1, 1, 0));
}
