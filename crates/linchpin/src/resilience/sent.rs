//! A request on its way to a tower service that may have to be made ready first.

use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::begun;

pin_project! {
    /// What the service answers, or how it failed to get ready.
    #[project = SentProj]
    pub(super) enum Sent<S, R>
    where
        S: Service<R>,
    {
        Calling { #[pin] work: S::Future },
        Readying { service: S, request: Option<R>, has_waited: bool },
    }
}

impl<S: Service<R>, R> Sent<S, R> {
    /// To a service that is driven to readiness first.
    pub(super) fn to(service: S, request: R) -> Self {
        Self::Readying { service, request: Some(request), has_waited: false }
    }
}

impl<S: Service<R>, R> Future for Sent<S, R> {
    type Output = Result<S::Response, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Self::Output> {
        loop {
            let work = match self.as_mut().project() {
                SentProj::Calling { work } => return work.poll(cx),
                SentProj::Readying { service, request, has_waited } => {
                    let Poll::Ready(is_ready) = service.poll_ready(cx) else {
                        *has_waited = true;
                        return Poll::Pending;
                    };
                    is_ready?;
                    if *has_waited {
                        begun::now();
                    }
                    service.call(request.take().expect("it is sent once"))
                }
            };
            self.set(Self::Calling { work });
        }
    }
}
