//! A panic as an error.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use super::panic_hook::{Boundary, Raised};
use super::{Error, Kind};
use crate::task::caught::{Caught, Panic};
use crate::task::{Fault, panic_text};

/// A panic that was caught. Found by `error.find::<Panicked>()`.
///
/// Its text is for the log. A client reads the text of [`Kind::Internal`].
pub struct Panicked {
    text: String,
    raised: Option<Box<Raised>>,
    /// Locked because a payload may be sent between threads, but not shared.
    payload: Mutex<Option<Box<dyn Any + Send>>>,
}

/// Runs `work`, and makes a panic of it an [`Error`] of [`Kind::Internal`] with a [`Panicked`] inside.
///
/// The boundary of the toolkit around every piece of user code whose panic must not kill its neighbours. Go's
/// `recover`, except that the error says where the panic was raised, if the [hook](super::panic_hook) is installed.
/// Nothing is logged here: whoever gets the error handles it, and logs it if that is the end of it.
///
/// What `work` was changing when it panicked is as it was left; whoever shares it must be able to bear that, which is
/// why no `UnwindSafe` is asked for. Where the program is compiled to abort on panic nothing is caught.
///
/// To spawn a task whose panic is a value use [`Task::outcome`](crate::task::Task::outcome).
///
/// # Errors
///
/// The panic. A result of `work` is inside the result: `catch(|| fallible())?` or `.flatten()` takes it out.
///
/// ```
/// use linchpin::error::{self, Panicked};
///
/// let error = error::catch(|| "x".parse::<u8>().expect("a number")).unwrap_err();
/// assert!(error.find::<Panicked>().unwrap().text().starts_with("a number"));
/// assert_eq!(error.public(), "something went wrong on our side");
/// ```
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
    let boundary = Boundary::enter();
    let outcome = catch_unwind(AssertUnwindSafe(work));
    let raised = boundary.leave();
    outcome.map_err(|payload| {
        let raised = raised.filter(|raised| raised.is_of(&*payload));
        Panicked::new(payload, raised).into()
    })
}

/// Runs the future `work`, and makes a panic of it an [`Error`], as [`catch`] does.
///
/// A panic in the drop of `work`, once it is done, is caught too, and joined to the first if there are two.
///
/// # Errors
///
/// As [`catch`].
///
/// # Cancel safety
///
/// Dropping the future drops `work` where it stands; it is as safe as `work`. A panic of that drop is not caught.
pub async fn catch_async<F: Future>(work: F) -> Result<F::Output, Error> {
    Caught::of(work).await
}

// ===== impl Panicked =====

impl Panicked {
    fn new(payload: Box<dyn Any + Send>, raised: Option<Box<Raised>>) -> Self {
        let text = panic_text(&*payload).to_owned();
        Self { text, raised, payload: Mutex::new(Some(payload)) }
    }

    /// What it said; a payload that is no string says nothing.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file, line and column that raised it, if the [hook](super::panic_hook) was installed and saw it.
    ///
    /// A panic that was raised again (`std::panic::resume_unwind`, a join) passes no hook the second time.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.raised.as_deref().map(Raised::location)
    }

    /// The name of the thread that raised it, under the same conditions.
    #[must_use]
    pub fn thread(&self) -> Option<&str> {
        self.raised.as_deref().and_then(Raised::thread)
    }

    /// The payload, to look into or to raise again with [`resume_unwind`](std::panic::resume_unwind). The first
    /// caller gets it, the others `None`.
    pub fn take_payload(&self) -> Option<Box<dyn Any + Send>> {
        self.payload.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.location() {
            Some(location) => write!(f, "panicked at {location}: {}", self.text),
            None => write!(f, "panicked: {}", self.text),
        }
    }
}

impl fmt::Debug for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panicked")
            .field("text", &self.text)
            .field("location", &self.location())
            .field("thread", &self.thread())
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Panicked {}

impl Drop for Panicked {
    /// A payload may panic when it is dropped, and this one is dropped wherever the last clone of an error happens to
    /// be.
    fn drop(&mut self) {
        let payload = self.take_payload();
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            // It may do the same. A leak is the lesser evil.
            std::mem::forget(second);
        }
    }
}

// ===== impl Panic, From for Error =====

impl Panic for Error {
    fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Self> {
        catch(work)
    }

    fn and(self, second: Self) -> Self {
        Self::join([self.clone(), second]).unwrap_or(self)
    }
}

impl From<Panicked> for Error {
    fn from(panicked: Panicked) -> Self {
        Self::new(Kind::Internal, panicked)
    }
}

impl From<Fault> for Error {
    /// [`Kind::Internal`] with a [`Panicked`] inside for a panic, [`Kind::Cancelled`] for a task that was aborted.
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Panicked(payload) => Panicked::new(payload, None).into(),
            Fault::Aborted => Self::new(Kind::Cancelled, "the task was aborted"),
        }
    }
}
