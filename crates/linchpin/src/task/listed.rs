//! Work with a place in the list of live tasks.

use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tracing::Instrument as _;
use tracing::instrument::Instrumented;

use super::registry::{Kind, Place};
use super::watch;

pin_project! {
    /// The future of a listed task: its work, in the span of its spawner, and its place in the list.
    #[must_use = "futures do nothing unless polled"]
    pub(super) struct Listed<F> {
        // Before the place, and so dropped before it: a task is listed as long as anything of it is left.
        #[pin]
        work: Option<Instrumented<F>>,
        place: Option<Place>,
    }
}

impl<F: Future> Listed<F> {
    #[track_caller]
    pub(super) fn new(name: &'static str, work: F) -> Self {
        Self::at(name, Location::caller(), work)
    }

    /// One that was spawned by the line `site`.
    pub(super) fn at(name: &'static str, site: &'static Location<'static>, work: F) -> Self {
        let place = Place::new(name, site, Kind::Async);
        Self { work: Some(work.in_current_span()), place: Some(place) }
    }
}

impl<F: Future> Future for Listed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let work = this.work.as_mut().as_pin_mut().expect("a task that is not done");
        let output = {
            let place = this.place.as_ref().expect("a task that is not done has its place");
            let _turn = watch::enter(place.key());
            #[cfg(feature = "testing")]
            let _home = place.hand_home_on();
            ready!(work.poll(cx))
        };
        // Whoever learns the output finds the task gone.
        this.work.set(None);
        *this.place = None;
        Poll::Ready(output)
    }
}
