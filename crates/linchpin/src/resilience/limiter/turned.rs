//! A call of a tower service once its turn has come: what the layers of a limiter do, wherever the turn is given.

use std::pin::Pin;
use std::task::{Context as Poller, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::resilience::{Failed, FailedKind};

pin_project! {
    /// `W` is the wait for the turn, or for the word that there is none.
    #[project = TurnedProj]
    pub(super) enum Turned<W, S, R>
    where
        S: Service<R>,
    {
        Calling { #[pin] work: S::Future },
        Refused { failed: Option<Failed<S::Error>> },
        // Apart: most calls do not wait, and all are moved.
        Waiting { wait: Box<Wait<W, S, R>> },
    }
}

/// For a turn, with what is called then.
pub(super) struct Wait<W, S, R> {
    turn: W,
    ready: Option<(S, R)>,
}

impl<W, S, R> Turned<W, S, R>
where
    S: Service<R> + Clone,
{
    /// Waits, and then calls the service that is ready now; a clone of it takes its place meanwhile.
    pub(super) fn after(turn: W, service: &mut S, request: R) -> Self {
        let clone = service.clone();
        let ready = Some((std::mem::replace(service, clone), request));
        Self::Waiting { wait: Box::new(Wait { turn, ready }) }
    }
}

impl<W, S, R> Future for Turned<W, S, R>
where
    W: Future<Output = Result<(), Failed>> + Unpin,
    S: Service<R>,
{
    type Output = Result<S::Response, Failed<S::Error>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        loop {
            let work = match self.as_mut().project() {
                TurnedProj::Calling { work } => {
                    return work.poll(cx).map_err(|error| FailedKind::Callee(error).into());
                }
                TurnedProj::Refused { failed } => {
                    return Poll::Ready(Err(failed.take().expect("polled after its end")));
                }
                TurnedProj::Waiting { wait } => {
                    ready!(Pin::new(&mut wait.turn).poll(cx)).map_err(Failed::widen)?;
                    let ready = wait.ready.take();
                    let (mut service, request) = ready.expect("polled after a panic");
                    service.call(request)
                }
            };
            self.set(Self::Calling { work });
        }
    }
}
