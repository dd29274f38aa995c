//! Items that go through stages, each with a width and a buffer of its own.
//!
//! ```
//! # use futures_util::stream;
//! # use linchpin::{Context, task::pipeline::{Options, Pipeline}};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> linchpin::Result<()> {
//! # async fn fetch(_ctx: &Context, id: u32) -> linchpin::Result<String> { Ok(format!("page {id}")) }
//! # let ctx = Context::root();
//! let mut pages = Vec::new();
//! Pipeline::from(stream::iter(1..=3))
//!     .stage("fetch", Options::default().width(8), |ctx, id| async move { fetch(&ctx, id).await })
//!     .map("measure", Options::default(), |page: String| Ok(page.len()))
//!     .ordered()
//!     .for_each(&ctx, |length| {
//!         pages.push(length);
//!         async { Ok(()) }
//!     })
//!     .await?;
//! assert_eq!(pages, [6, 6, 6]);
//! # Ok(())
//! # }
//! ```

mod numbers;
mod options;
mod run;
mod stage;

use std::fmt;
use std::future::Pending;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures_util::{Stream, TryFutureExt as _};

use self::numbers::{Counts, Read};
pub use self::numbers::{Numbers, StageNumbers};
pub use self::options::{DeadLetter, Options};
pub(in crate::task) use self::run::feeding;
use self::stage::{Begun, Stage};
use super::Group;
use super::belt::Belt;
use crate::context::Context;
use crate::error::Error;
use crate::resilience::BadOptions;

/// Stages between a source and a sink, of which the first real error ends the rest.
///
/// The source is any `Stream` and, like the sink, runs on the caller's own task and may borrow. A stage has as many tasks
/// as it is wide, which are listed under its name and the line that added it. Nothing runs before
/// [`for_each`](Self::for_each) or [`collect`](Self::collect) is polled, and what is in the pipeline is bounded: for each
/// stage its buffer and its width, for the sink the last buffer again and one. The source is asked for no item for
/// which there is no room, and for none any more once the pipeline is dropped or has failed.
///
/// | in a stage, an item | the pipeline | `for_each` |
/// |---|---|---|
/// | fails | ends, with the error as its context's cause | returns the first error |
/// | fails, under [`skip_failed`](Options::skip_failed) or [`dead_letters`](Options::dead_letters) | goes on | |
/// | panics | ends | raises the panic again, once all tasks are gone |
///
/// In Go this is a goroutine a stage, a channel between two, a `select` on the context at each send, and a drain on every
/// way out, or rill. Ours has nothing to drain: to leave is to drop.
///
/// For futures that need no buffers between them, `StreamExt::buffered` on one task does. To run a fixed list of tasks use
/// [`Group`]; to hand work to whoever is free, without an order of steps, a pool.
#[must_use = "nothing runs until the pipeline is given a sink"]
pub struct Pipeline<S: Stream, T = <S as Stream>::Item> {
    source: S,
    feed: Arc<Belt<S::Item>>,
    tail: Arc<Belt<T>>,
    stages: Vec<Start>,
    numbers: Vec<Arc<dyn Read>>,
    ordered: bool,
    bad: Option<BadOptions>,
}

/// Starts a stage; `true` if it must keep the order.
type Start = Box<dyn FnOnce(&mut Group<()>, bool) + Send>;

/// Room between a source and a sink without a stage.
const DIRECT: usize = 64;

// ===== impl Pipeline =====

impl<S: Stream> From<S> for Pipeline<S> {
    fn from(source: S) -> Self {
        let belt = Arc::new(Belt::new(DIRECT));
        Self {
            source,
            feed: belt.clone(),
            tail: belt,
            stages: Vec::new(),
            numbers: Vec::new(),
            ordered: false,
            bad: None,
        }
    }
}

impl<S: Stream, T: Send + 'static> Pipeline<S, T> {
    /// Adds a stage that waits: for a call, a query, a file. `work` gets the pipeline's context, which ends when another
    /// stage fails.
    #[track_caller]
    pub fn stage<U, F, Fut>(
        self,
        name: &'static str,
        options: Options<T>,
        work: F,
    ) -> Pipeline<S, U>
    where
        U: Send + 'static,
        F: Fn(Context, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<U, Error>> + Send + 'static,
    {
        let work = move |ctx: &Context, item| Begun::Waits(work(ctx.clone(), item).map_ok(Some));
        self.add(name, options, false, work)
    }

    /// Adds a stage like [`stage`](Self::stage) of which an item may give no result.
    #[track_caller]
    pub fn filter_map<U, F, Fut>(
        self,
        name: &'static str,
        options: Options<T>,
        work: F,
    ) -> Pipeline<S, U>
    where
        U: Send + 'static,
        F: Fn(Context, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<U>, Error>> + Send + 'static,
    {
        let work = move |ctx: &Context, item| Begun::Waits(work(ctx.clone(), item));
        self.add(name, options, false, work)
    }

    /// Adds a stage that computes. It has tasks of its own too, so that it runs beside the others.
    ///
    /// `work` must not block: what does belongs into [`blocking`](super::blocking), called from a stage.
    #[track_caller]
    pub fn map<U, F>(self, name: &'static str, options: Options<T>, work: F) -> Pipeline<S, U>
    where
        U: Send + 'static,
        F: Fn(T) -> Result<U, Error> + Send + Sync + 'static,
    {
        let work = move |_: &Context, item| Begun::<_, Pending<_>>::Done(work(item).map(Some));
        self.add(name, options, true, work)
    }

    /// The sink gets the results in the order of the source. Default: as they are done.
    ///
    /// Where a stage is wider than one, a result that is early waits for its turn, within the buffer of what follows.
    pub fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// Reads what the stages are doing, while the pipeline runs and afterwards.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        Numbers(self.numbers.clone())
    }

    /// Runs the pipeline to its end and gives each result to `sink`, one at a time.
    ///
    /// When it returns, no task of it is left, nor anything that one captured.
    ///
    /// # Errors
    ///
    /// The first error of a stage or of the sink; the end of `ctx`; a width or a buffer of zero, before anything runs.
    ///
    /// # Panics
    ///
    /// Raises the first panic of a stage again, with its payload, and does not catch one of the source or the sink.
    /// Outside a tokio runtime if there is a stage.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the source and the sink where they stand, and ends every task at its next await. Items
    /// on their way are lost.
    pub async fn for_each<F, Fut>(self, ctx: &Context, sink: F) -> Result<(), Error>
    where
        F: FnMut(T) -> Fut,
        Fut: Future<Output = Result<(), Error>>,
    {
        if let Some(bad) = self.bad {
            return Err(bad.into());
        }
        ctx.check()?;
        let mut group = Group::new(ctx);
        for start in self.stages {
            start(&mut group, self.ordered);
        }
        run::run(group, self.source, &self.feed, &self.tail, sink).await
    }

    /// Runs the pipeline to its end and returns all results.
    ///
    /// # Errors
    ///
    /// As [`for_each`](Self::for_each).
    ///
    /// # Panics
    ///
    /// As [`for_each`](Self::for_each).
    ///
    /// # Cancel safety
    ///
    /// As [`for_each`](Self::for_each); results so far are lost, too.
    pub async fn collect(self, ctx: &Context) -> Result<Vec<T>, Error> {
        let mut results = Vec::new();
        let sink = |result| {
            results.push(result);
            std::future::ready(Ok(()))
        };
        self.for_each(ctx, sink).await?;
        Ok(results)
    }

    #[track_caller]
    fn add<U, F, Fut>(
        self,
        name: &'static str,
        options: Options<T>,
        computes: bool,
        work: F,
    ) -> Pipeline<S, U>
    where
        U: Send + 'static,
        F: Fn(&Context, T) -> Begun<U, Fut> + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<U>, Error>> + Send + 'static,
    {
        let Self { source, feed, tail: input, mut stages, mut numbers, ordered, bad } = self;
        let bad = bad.or(options.check(name).err());
        let Options { width, buffer, failures } = options;
        input.set_capacity(buffer);
        let output = Arc::new(Belt::new(buffer));
        let counts = Arc::new(Counts {
            name,
            width,
            input,
            output: output.clone(),
            failed: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
            failures: metrics::counter!("linchpin_pipeline_failed_total", "stage" => name),
        });
        numbers.push(counts.clone());
        let stage = Stage { counts, site: Location::caller(), failures, computes, work };
        stages.push(Box::new(move |group, ordered| stage.start(group, ordered)));
        Pipeline { source, feed, tail: output, stages, numbers, ordered, bad }
    }
}

impl<S: Stream, T> fmt::Debug for Pipeline<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("stages", &Numbers(self.numbers.clone()))
            .field("ordered", &self.ordered)
            .finish_non_exhaustive()
    }
}
