//! Work with a place in the list of live tasks.

use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::registry::{Kind, Place};
use super::span::{InSpan, SpawnSpan};
use super::watch;
use crate::sync::lock::Mark;

pin_project! {
    /// The future of a listed task: its work, in the span of its spawner, and its place in the list.
    ///
    /// The work goes first: a task is listed as long as anything of it is left.
    #[must_use = "futures do nothing unless polled"]
    pub(super) struct Listed<F> {
        #[pin]
        work: InSpan<F>,
        place: Option<Place>,
    }
}

impl<F> Listed<F> {
    #[track_caller]
    pub(super) fn new(name: &'static str, work: F) -> Self {
        Self::at(name, Location::caller(), work)
    }

    /// The same for work whose spawner is not the caller.
    pub(super) fn at(name: &'static str, site: &'static Location<'static>, work: F) -> Self {
        Self::within(SpawnSpan::here(), name, site, work)
    }

    /// In no span, with a line that is not the caller's: for what outlives whoever needed it first.
    pub(super) fn detached(name: &'static str, site: &'static Location<'static>, work: F) -> Self {
        Self::within(SpawnSpan::default(), name, site, work)
    }

    fn within(
        span: SpawnSpan,
        name: &'static str,
        site: &'static Location<'static>,
        work: F,
    ) -> Self {
        Self { work: span.run(work), place: Some(Place::new(name, site, Kind::Async)) }
    }
}

impl<F: Future> Future for Listed<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let output = {
            let place = this.place.as_ref().expect("a task that is not done has its place");
            let _turn = watch::enter(place.key());
            #[cfg(feature = "testing")]
            let _home = place.hand_home_on();
            let mark = Mark::here();
            let polled = this.work.poll(cx);
            if polled.is_pending() {
                mark.nothing_is_held_since();
            }
            ready!(polled)
        };
        // Whoever learns the output finds the task gone.
        *this.place = None;
        Poll::Ready(output)
    }
}
