//! Work with a place in the list of live tasks.

use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tracing::Span;

use super::registry::{Kind, Place};
use super::watch;
use crate::sync::lock::Mark;

pin_project! {
    /// The future of a listed task: its work, in the span of its spawner, and its place in the list.
    ///
    /// Small, since a runtime moves it about and a crowd of tasks does not fit the processor's cache: a span is five
    /// words, which most tasks of a crowd do not have.
    #[must_use = "futures do nothing unless polled"]
    pub(super) struct Listed<F> {
        #[pin]
        work: Option<F>,
        span: Option<Box<Span>>,
        place: Option<Place>,
    }

    impl<F> PinnedDrop for Listed<F> {
        fn drop(this: Pin<&mut Self>) {
            this.finish();
        }
    }
}

impl<F> Listed<F> {
    #[track_caller]
    pub(super) fn new(name: &'static str, work: F) -> Self {
        Self::at(name, Location::caller(), work)
    }

    /// The same for work whose spawner is not the caller.
    pub(super) fn at(name: &'static str, site: &'static Location<'static>, work: F) -> Self {
        let mut listed = Self::detached(name, site, work);
        listed.span = Some(Span::current()).filter(|span| !span.is_none()).map(Box::new);
        listed
    }

    /// In no span, with a line that is not the caller's: for what outlives whoever needed it first.
    pub(super) fn detached(name: &'static str, site: &'static Location<'static>, work: F) -> Self {
        let place = Place::new(name, site, Kind::Async);
        Self { work: Some(work), span: None, place: Some(place) }
    }

    /// Drops the work, in its span, and then leaves the list: a task is listed as long as anything of it is left.
    fn finish(self: Pin<&mut Self>) {
        let mut this = self.project();
        {
            let _entered = this.span.as_ref().map(|span| span.enter());
            this.work.set(None);
        }
        *this.place = None;
    }
}

impl<F: Future> Future for Listed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let output = {
            let this = self.as_mut().project();
            let work = this.work.as_pin_mut().expect("a task that is not done");
            let place = this.place.as_ref().expect("a task that is not done has its place");
            let _turn = watch::enter(place.key());
            #[cfg(feature = "testing")]
            let _home = place.hand_home_on();
            let _entered = this.span.as_ref().map(|span| span.enter());
            let mark = Mark::here();
            let polled = work.poll(cx);
            if polled.is_pending() {
                mark.nothing_is_held_since();
            }
            ready!(polled)
        };
        // Whoever learns the output finds the task gone.
        self.finish();
        Poll::Ready(output)
    }
}
