//! How a stage works, and what it does with an item that fails.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::Error;
use crate::resilience::BadOptions;

/// How a stage that takes items of type `T` works. The default takes one at a time and fails with the first error.
///
/// ```
/// # use linchpin::task::pipeline::{DeadLetter, Options};
/// let parse = Options::default().width(4).dead_letters(|letter: DeadLetter<String>| async move {
///     eprintln!("{}: {}", letter.item, letter.error);
///     Ok(())
/// });
/// # drop(parse);
/// ```
pub struct Options<T> {
    pub(super) width: usize,
    pub(super) buffer: usize,
    pub(super) failures: Failures<T>,
}

/// An item that a stage could not work, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetter<T> {
    /// The name of the stage.
    pub stage: &'static str,
    /// The item as it came to the stage.
    pub item: T,
    /// What the stage made of it.
    pub error: Error,
}

/// What becomes of an item that fails.
pub(super) enum Failures<T> {
    Fatal,
    Skipped,
    Collected { copy: fn(&T) -> T, collector: Arc<Collector<T>> },
}

type Collector<T> = dyn Fn(DeadLetter<T>) -> Delivery + Send + Sync;
type Delivery = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

// ===== impl Options =====

impl<T> Options<T> {
    /// How many items the stage works at once, each in a task of its own. Default: 1.
    #[must_use]
    pub fn width(mut self, items: usize) -> Self {
        self.width = items;
        self
    }

    /// How many items may wait in front of the stage. Default: 64.
    ///
    /// As many results of the last stage may wait for the sink. Up to half of them move at one wake-up, so a small
    /// buffer costs speed and a large one memory.
    #[must_use]
    pub fn buffer(mut self, items: usize) -> Self {
        self.buffer = items;
        self
    }

    /// An item that fails is logged, counted and left out. Default: its error ends the pipeline.
    #[must_use]
    pub fn skip_failed(mut self) -> Self {
        self.failures = Failures::Skipped;
        self
    }

    /// An item that fails is counted and handed to `collector`, for which the stage copies every item before it begins.
    ///
    /// The item keeps its place in the stage until it is collected, so a slow collector slows the stage and nothing
    /// piles up. An error of the collector ends the pipeline.
    #[must_use]
    pub fn dead_letters<F, Fut>(mut self, collector: F) -> Self
    where
        T: Clone + 'static,
        F: Fn(DeadLetter<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let collector = Arc::new(move |letter| Box::pin(collector(letter)) as Delivery);
        self.failures = Failures::Collected { copy: T::clone, collector };
        self
    }

    pub(super) fn check(&self, stage: &'static str) -> Result<(), BadOptions> {
        let bad = |why: String| Err(BadOptions::new("Pipeline", why));
        if self.width == 0 {
            return bad(format!(
                "stage `{stage}` has width 0 and would never work; say at least 1"
            ));
        }
        if self.buffer == 0 {
            return bad(format!(
                "stage `{stage}` has buffer 0; an item must lie somewhere, say at least 1"
            ));
        }
        Ok(())
    }
}

impl<T> Default for Options<T> {
    fn default() -> Self {
        Self { width: 1, buffer: 64, failures: Failures::Fatal }
    }
}

impl<T> Clone for Options<T> {
    fn clone(&self) -> Self {
        Self { width: self.width, buffer: self.buffer, failures: self.failures.clone() }
    }
}

impl<T> fmt::Debug for Options<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures = match self.failures {
            Failures::Fatal => "fatal",
            Failures::Skipped => "skipped",
            Failures::Collected { .. } => "dead letters",
        };
        f.debug_struct("Options")
            .field("width", &self.width)
            .field("buffer", &self.buffer)
            .field("failures", &failures)
            .finish()
    }
}

// ===== impl Failures =====

impl<T> Failures<T> {
    /// What to keep of an item in case it fails.
    pub(super) fn keep(&self, item: &T) -> Option<T> {
        match self {
            Self::Collected { copy, .. } => Some(copy(item)),
            Self::Fatal | Self::Skipped => None,
        }
    }
}

impl<T> Clone for Failures<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Fatal => Self::Fatal,
            Self::Skipped => Self::Skipped,
            Self::Collected { copy, collector } => {
                Self::Collected { copy: *copy, collector: collector.clone() }
            }
        }
    }
}
