//! Who wins when several tasks end: the one place that decides it, for groups and scopes.

use std::any::Any;
use std::panic::resume_unwind;

use crate::context::{Cause, Context, Ended};
use crate::error::{Error, Kind};
use crate::task::panic_text;

/// How a task ended.
pub(crate) enum Outcome<T> {
    /// It returned.
    Returned(Result<T, Error>),
    /// It panicked, with this payload.
    Panicked(Box<dyn Any + Send>),
    /// It was dropped before it returned.
    Dropped,
}

/// What the tasks of a group have come to so far.
pub(crate) struct Verdict<T> {
    /// By the order of spawning.
    results: Vec<Option<Result<T, Error>>>,
    /// The first error that is more than the end of the group's own context.
    failure: Option<Error>,
    /// The first error that is not.
    echo: Option<Error>,
    panic: Option<Box<dyn Any + Send>>,
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

    /// The place of the next task's result.
    pub(crate) fn reserve(&mut self) -> usize {
        self.results.push(None);
        self.results.len() - 1
    }

    /// Takes down how a task ended. With a cause, the group's context is to end with it.
    pub(crate) fn record(
        &mut self,
        place: Option<usize>,
        outcome: Outcome<T>,
        group: &Context,
    ) -> Option<Cause> {
        let result = match outcome {
            Outcome::Returned(result) => result,
            Outcome::Panicked(payload) => return self.record_panic(payload),
            Outcome::Dropped => Err(match group.check() {
                Err(ended) => ended.into(),
                Ok(()) => Error::new(Kind::Cancelled, "the task was aborted"),
            }),
        };
        let cause = result.as_ref().err().and_then(|error| self.record_error(error, group));
        if let Some(place) = place {
            self.results[place] = Some(result);
        }
        cause
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
            None => Ok(self.results.into_iter().flatten().flatten().collect()),
        }
    }

    /// Each task's own result, in the order of spawning. A panic is raised again.
    pub(crate) fn settle(self) -> Vec<Result<T, Error>> {
        if let Some(payload) = self.panic {
            resume_unwind(payload);
        }
        self.results.into_iter().flatten().collect()
    }

    fn record_panic(&mut self, payload: Box<dyn Any + Send>) -> Option<Cause> {
        let cause = (!self.keep_going).then(|| Cause::from("a sibling panicked"));
        if self.panic.is_none() {
            self.panic = Some(payload);
        } else {
            // One can be raised again; the others must not disappear.
            let panic = panic_text(payload.as_ref());
            tracing::error!(panic, "another task of a group panicked");
            metrics::counter!("linchpin_task_panics_total", "owner" => "group").increment(1);
        }
        cause
    }

    fn record_error(&mut self, error: &Error, group: &Context) -> Option<Cause> {
        // A task that only passes on the end of the group's context says nothing new, whoever comes first.
        if group.is_cancelled() && error.find::<Ended>().is_some() {
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
