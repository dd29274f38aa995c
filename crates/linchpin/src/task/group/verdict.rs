//! Who wins when several tasks end: the one place that decides it, for groups and scopes.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::crew::FEW;
use crate::context::{Cause, Child, Context, Ended};
use crate::error::{Error, Kind};
use crate::task::caught::Payload;
use crate::task::tell_panic;

/// How a task ended.
pub(crate) enum Outcome<T> {
    /// It returned.
    Returned(Result<T, Error>),
    /// It panicked, with this payload.
    Panicked(Payload),
    /// It was dropped before it returned.
    Dropped,
}

/// An [`Outcome`] about which no more has to be asked.
pub(crate) enum Judged<T> {
    Returned {
        result: Result<T, Error>,
        /// Whether the error has the end of a context in it.
        passed_on: bool,
    },
    Panicked(Payload),
    Dropped,
}

/// What others must hear of how a task ended.
#[must_use = "the siblings must be told"]
pub(crate) struct News {
    /// The group's context is to end with it.
    cause: Option<Cause>,
    /// A panic that comes too late to be raised again.
    repeated: Option<Payload>,
}

/// A task's place among the results, counted from one so that "none" costs no room.
#[derive(Clone, Copy)]
pub(crate) struct Place(NonZeroUsize);

/// What the tasks of a group have come to so far.
pub(crate) struct Verdict<T> {
    /// By the order of spawning, as far as one has ended.
    results: Vec<Option<Result<T, Error>>>,
    /// The first error that is more than the end of the group's own context.
    failure: Option<Error>,
    /// The first error that is not.
    echo: Option<Error>,
    panic: Option<Payload>,
    keep_going: bool,
}

impl<T> Verdict<T> {
    pub(crate) fn new() -> Self {
        Self { results: Vec::new(), failure: None, echo: None, panic: None, keep_going: false }
    }

    /// No failure ends the others.
    pub(crate) fn keep_going(&mut self) {
        self.keep_going = true;
    }

    /// Takes down what a task returned, of which nobody must hear.
    #[inline]
    pub(crate) fn record_value(&mut self, place: Place, value: T) {
        self.put(place, Ok(value));
    }

    /// Takes down how a task ended, and says what others must hear of it.
    pub(crate) fn record(
        &mut self,
        place: Option<Place>,
        judged: Judged<T>,
        group: &Context,
    ) -> Option<News> {
        let (result, passed_on) = match judged {
            Judged::Returned { result, passed_on } => (result, passed_on),
            Judged::Panicked(payload) => return Some(self.record_panic(payload)),
            Judged::Dropped => (
                Err(match group.check() {
                    Err(ended) => ended.into(),
                    Ok(()) => Error::new(Kind::Cancelled, "the task was aborted"),
                }),
                true,
            ),
        };
        let cause = result.as_ref().err().and_then(|error| {
            // A task that only passes on the end of the group's context says nothing new, whoever comes first.
            let echo = passed_on && group.is_cancelled();
            self.record_error(error, echo)
        });
        if let Some(place) = place {
            self.put(place, result);
        }
        cause.map(|cause| News { cause: Some(cause), repeated: None })
    }

    /// All results in the order of spawning, or the one failure that explains the rest.
    ///
    /// A panic is raised again. Where the group keeps going, all failures are in the error.
    pub(crate) fn join(self) -> Result<Vec<T>, Error> {
        if let Some(payload) = self.panic {
            resume_unwind(payload);
        }
        if self.keep_going {
            let (mut values, mut errors) = (Vec::new(), Vec::new());
            for result in self.results.into_iter().flatten() {
                match result {
                    Ok(value) => values.push(value),
                    Err(error) => errors.push(error),
                }
            }
            // A task without a place in the results may have failed, too.
            return match Error::join(errors).or(self.failure).or(self.echo) {
                Some(error) => Err(error),
                None => Ok(values),
            };
        }
        match self.failure.or(self.echo) {
            Some(error) => Err(error),
            None => {
                let mut values = Vec::with_capacity(self.results.len());
                values.extend(self.results.into_iter().flatten().flatten());
                Ok(values)
            }
        }
    }

    /// Each task's own result, in the order of spawning. A panic is raised again.
    pub(crate) fn settle(self) -> Vec<Result<T, Error>> {
        if let Some(payload) = self.panic {
            resume_unwind(payload);
        }
        self.results.into_iter().flatten().collect()
    }

    fn put(&mut self, place: Place, result: Result<T, Error>) {
        let index = place.0.get() - 1;
        if self.results.capacity() == 0 {
            self.results.reserve(FEW);
        }
        if index >= self.results.len() {
            self.results.resize_with(index + 1, || None);
        }
        self.results[index] = Some(result);
    }

    fn record_panic(&mut self, payload: Payload) -> News {
        let cause = (!self.keep_going).then(|| Cause::from("a sibling panicked"));
        let repeated = match self.panic {
            None => {
                self.panic = Some(payload);
                None
            }
            Some(_) => Some(payload),
        };
        News { cause, repeated }
    }

    fn record_error(&mut self, error: &Error, echo: bool) -> Option<Cause> {
        if echo {
            self.echo.get_or_insert_with(|| error.clone());
            return None;
        }
        if self.failure.is_some() {
            return None;
        }
        self.failure = Some(error.clone());
        (!self.keep_going).then(|| Cause::Failed(error.clone()))
    }
}

// ===== impl Place =====

impl Place {
    /// The place after so many others.
    pub(crate) fn after(others: usize) -> Self {
        Self(NonZeroUsize::MIN.saturating_add(others))
    }
}

// ===== impl Outcome =====

impl<T> From<Result<Result<T, Error>, Payload>> for Outcome<T> {
    fn from(caught: Result<Result<T, Error>, Payload>) -> Self {
        caught.map_or_else(Self::Panicked, Self::Returned)
    }
}

impl<T> Outcome<T> {
    /// Of work that was dropped before it returned, and that may have panicked there.
    pub(crate) fn of_discarded(dropped: Result<(), Payload>) -> Self {
        dropped.map_or_else(Self::Panicked, |()| Self::Dropped)
    }

    /// Asks the error, which runs its author's code, whether it passes on the end of a context.
    pub(crate) fn judged(self) -> Judged<T> {
        let result = match self {
            Self::Returned(result) => result,
            Self::Panicked(payload) => return Judged::Panicked(payload),
            Self::Dropped => return Judged::Dropped,
        };
        let find = || result.as_ref().is_err_and(|error| error.find::<Ended>().is_some());
        match catch_unwind(AssertUnwindSafe(find)) {
            Ok(passed_on) => Judged::Returned { result, passed_on },
            Err(payload) => Judged::Panicked(payload),
        }
    }
}

// ===== impl News =====

impl News {
    /// Ends the group's context if there is a reason to.
    pub(crate) fn tell(self, group: &Child) {
        if let Some(cause) = self.cause {
            group.cancel(cause);
        }
        // One can be raised again; the others must not disappear.
        if let Some(payload) = self.repeated {
            tell_panic("group", "another task of a group panicked", payload.as_ref());
        }
    }
}
