//! One submission, from its queueing to its answer.

use std::fmt;
use std::mem;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use linchpin::error::{Panicked, catch};
use linchpin::{Context, Error, Kind, Result};
use rusqlite::Connection;
use tokio::sync::oneshot;

type Hook = Box<dyn FnOnce() + Send>;

/// What a submission's closure works on: the writer's connection, inside the closure's savepoint.
///
/// Derefs to [`rusqlite::Connection`]. Prefer `prepare_cached`: up to 128 statements stay prepared.
/// Do not begin, commit or roll back; that fails. To undo everything return an `Err`; to undo a part
/// use a savepoint of your own.
pub struct Tx<'a> {
    conn: &'a Connection,
    hooks: &'a mut Vec<Hook>,
}

impl Tx<'_> {
    /// Has this run on the writer thread once the commit has succeeded, before the answer leaves.
    ///
    /// It runs whether or not the submitter still waits, in the order of submission, and never for a
    /// closure that returned `Err` or whose transaction was undone. After a
    /// [`CommitUnknown`](super::CommitUnknown) it is dropped: what it would have told of
    /// is not there while the database is open. Keep it short, it holds up the next group: hand the work to someone.
    /// A panic in it is caught and logged.
    pub fn after_commit(&mut self, hook: impl FnOnce() + Send + 'static) {
        self.hooks.push(Box::new(hook));
    }
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn
    }
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("hooks", &self.hooks.len()).finish_non_exhaustive()
    }
}

/// How a submission ended, as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Committed.
    Done,
    /// The group's transaction failed.
    Failed,
    /// The closure panicked.
    Panicked,
    /// The closure returned `Err`.
    Refused,
    /// Withdrawn, or its context ended, before it started.
    Skipped,
}

impl Outcome {
    pub(super) const ALL: [Self; 5] =
        [Self::Done, Self::Failed, Self::Panicked, Self::Refused, Self::Skipped];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
        }
    }
}

/// A submission as the writer sees it, whatever its result type.
pub(super) trait Job: Send {
    /// What the submitter said that it weighs.
    fn bytes(&self) -> usize;

    /// Takes it from its submitter, the first time; `false` if it is not to run.
    fn start(&mut self) -> bool;

    /// Runs the closure; `true` if its effects are to be kept.
    fn run(&mut self, conn: &Connection) -> bool;

    /// Drops what the last run said and did, in favour of this error.
    fn fail(&mut self, error: Error);

    /// The transaction ended under the only submission in it: an `Ok` cannot stand, an `Err` can.
    fn destroyed(&mut self);

    /// What it answers, if that is an error.
    fn error(&self) -> Option<&Error>;

    /// How it ended, or will have ended if the commit succeeds.
    fn outcome(&self) -> Outcome;

    /// Runs the hooks and gives the answer.
    fn answer(&mut self);
}

/// Who has a submission: its submitter, until the writer starts it or the submitter takes it back.
///
/// All accesses are relaxed: the flag decides a race and publishes nothing; the submission travels
/// through the queue and the answer through its channel, and each of those synchronizes.
#[derive(Debug, Default)]
pub(super) struct Claim(AtomicU8);

impl Claim {
    const QUEUED: u8 = 0;
    const STARTED: u8 = 1;
    const WITHDRAWN: u8 = 2;

    /// `true` if it will not run, by this call or an earlier one.
    pub(super) fn withdraw(&self) -> bool {
        self.swap(Self::WITHDRAWN)
    }

    fn start(&self) -> bool {
        self.swap(Self::STARTED)
    }

    fn swap(&self, to: u8) -> bool {
        match self.0.compare_exchange(Self::QUEUED, to, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => true,
            Err(found) => found == to,
        }
    }
}

/// A closure with all that is needed to run it once or more and to answer once.
///
/// It is left empty by its answer: what is the user's may panic when it is dropped, and must not do so elsewhere.
pub(super) struct Submission<F, T> {
    work: Option<(Context, F)>,
    claim: Arc<Claim>,
    bytes: usize,
    hooks: Vec<Hook>,
    result: Option<Result<T>>,
    answer: Option<oneshot::Sender<Result<T>>>,
    outcome: Outcome,
}

impl<F, T> Submission<F, T> {
    pub(super) fn new(
        ctx: Context,
        bytes: usize,
        closure: F,
    ) -> (Self, Arc<Claim>, oneshot::Receiver<Result<T>>) {
        let (answer, answered) = oneshot::channel();
        let claim = Arc::new(Claim::default());
        let submission = Self {
            work: Some((ctx, closure)),
            claim: Arc::clone(&claim),
            bytes,
            hooks: Vec::new(),
            result: None,
            answer: Some(answer),
            outcome: Outcome::Skipped,
        };
        (submission, claim, answered)
    }

    fn set(&mut self, outcome: Outcome, result: Result<T>) {
        let hooks = if outcome == Outcome::Done { Vec::new() } else { mem::take(&mut self.hooks) };
        self.outcome = outcome;
        let earlier = self.result.replace(result);
        contained("a dropped result", || drop((hooks, earlier)));
    }
}

impl<F, T> Job for Submission<F, T>
where
    F: FnMut(&mut Tx<'_>) -> Result<T> + Send,
    T: Send,
{
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn start(&mut self) -> bool {
        if self.outcome != Outcome::Skipped {
            return true; // it runs again, whatever has become of its context since
        }
        if let Some(Err(ended)) = self.work.as_ref().map(|(ctx, _)| ctx.check()) {
            self.result = Some(Err(ended.into()));
            return false;
        }
        self.claim.start()
    }

    fn run(&mut self, conn: &Connection) -> bool {
        let Some((_, closure)) = &mut self.work else { return false };
        // The closure's own state after a panic is its own affair; the database is rolled back.
        let ran = catch(|| {
            self.hooks.clear();
            closure(&mut Tx { conn, hooks: &mut self.hooks })
        });
        match ran {
            Ok(Ok(value)) => self.set(Outcome::Done, Ok(value)),
            Ok(Err(refusal)) => self.set(Outcome::Refused, Err(refusal)),
            Err(panicked) => self.set(Outcome::Panicked, Err(panicked.context("run a submission"))),
        }
        self.outcome == Outcome::Done
    }

    fn fail(&mut self, error: Error) {
        self.set(Outcome::Failed, Err(error));
    }

    fn destroyed(&mut self) {
        if self.outcome == Outcome::Done {
            self.fail(Error::new(
                Kind::Aborted,
                "the transaction was rolled back inside the submission, which ignored it",
            ));
        }
    }

    fn error(&self) -> Option<&Error> {
        self.result.as_ref()?.as_ref().err()
    }

    fn outcome(&self) -> Outcome {
        self.outcome
    }

    fn answer(&mut self) {
        for hook in mem::take(&mut self.hooks) {
            contained("an after-commit hook", hook);
        }
        if let (Some(answer), Some(result)) = (self.answer.take(), self.result.take()) {
            // A submitter that left does not undo what was committed.
            send(answer, result);
        }
        let work = self.work.take();
        contained("a dropped submission", || drop(work));
    }
}

/// Gives the answer to whoever waits for it. A panic that nobody hears of is logged.
pub(super) fn send<T>(answer: oneshot::Sender<Result<T>>, result: Result<T>) {
    contained("a dropped result", || {
        if let Err(Err(error)) = answer.send(result)
            && error.find::<Panicked>().is_some()
        {
            tracing::error!(error = %error.report(), "nobody waited for a panic");
        }
    });
}

/// Runs user code that has nobody to tell of its panic: it is logged, and the thread goes on.
pub(super) fn contained(who: &'static str, work: impl FnOnce()) {
    if let Err(error) = catch(work) {
        tracing::error!(who, error = %error.report(), "a thread of the database caught a panic");
    }
}
