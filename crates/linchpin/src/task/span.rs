//! The tracing span in which work was spawned, and in which it runs.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing::span::Entered;

/// A span, if there is one.
///
/// Small, since a runtime moves tasks about and a crowd of them does not fit the processor's cache: a span is five
/// words, which most tasks of a crowd do not have.
#[derive(Default)]
pub(super) struct SpawnSpan(Option<Box<Span>>);

pin_project! {
    /// `work` in a span. Once it is done nothing of it is left: it is dropped in the span, too.
    #[must_use = "futures do nothing unless polled"]
    pub(super) struct InSpan<F> {
        #[pin]
        work: Option<F>,
        span: SpawnSpan,
    }

    impl<F> PinnedDrop for InSpan<F> {
        fn drop(this: Pin<&mut Self>) {
            this.finish();
        }
    }
}

impl SpawnSpan {
    /// That of the code that asks.
    pub(super) fn here() -> Self {
        // One load where nothing is traced, and so no span can be.
        if LevelFilter::current() == LevelFilter::OFF {
            return Self::default();
        }
        Self(Some(Span::current()).filter(|span| !span.is_none()).map(Box::new))
    }

    pub(super) fn enter(&self) -> Option<Entered<'_>> {
        self.0.as_ref().map(|span| span.enter())
    }

    pub(super) fn run<F>(self, work: F) -> InSpan<F> {
        InSpan { work: Some(work), span: self }
    }
}

impl<F> InSpan<F> {
    pub(super) fn finish(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.work.is_some() {
            let _entered = this.span.enter();
            this.work.set(None);
        }
    }
}

impl<F: Future> Future for InSpan<F> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let output = {
            let this = self.as_mut().project();
            let _entered = this.span.enter();
            ready!(this.work.as_pin_mut().expect("a task that is not done").poll(cx))
        };
        self.finish();
        Poll::Ready(output)
    }
}
