//! Measures the subjects of an operation in turn: calibrated, warmed up, against the same noise.
//!
//! A figure here is nanoseconds per operation. What is measured in another way, such as a service
//! under load, makes its [`Row`]s itself.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use linchpin::task;
use linchpin::time::Instant;
use rustix::thread::CpuSet;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::row::{Role, Row};
use crate::stats::{Summary, median};

/// What several subjects can do, and those subjects.
#[derive(Debug)]
#[must_use = "an operation is measured by a `Plan`"]
pub struct Operation {
    /// Its name in the results.
    pub name: &'static str,
    /// So many operations a sample at least.
    batch: u64,
    subjects: Vec<Subject>,
}

/// One who can do an [`Operation`].
pub struct Subject {
    /// Its name in the results.
    pub name: &'static str,
    role: Role,
    source: Source,
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    samples: usize,
    shortest: Duration,
    warm_up: usize,
}

enum Source {
    /// Does so many operations and says how long they took.
    Timed(Box<dyn FnMut(u64) -> Duration>),
    /// Was measured elsewhere, in nanoseconds.
    Recorded(f64),
}

/// Samples of which a warm-up takes the median.
const BLOCK: usize = 5;
/// Two medians in a row that are that close end a warm-up.
const AGREEMENT: f64 = 0.02;

// ===== impl Plan =====

impl Plan {
    /// Figures to work with: 30 samples of 5 ms at least, warmed up for 20 blocks at most.
    pub const FULL: Self = Self { samples: 30, shortest: Duration::from_millis(5), warm_up: 20 };
    /// A proof that every row still runs: 3 samples of 1 ms.
    pub const QUICK: Self = Self { samples: 3, shortest: Duration::from_millis(1), warm_up: 1 };

    /// Takes the samples of all subjects, one each in turn, so that noise meets them alike.
    #[must_use]
    pub fn measure(&self, area: &'static str, operation: Operation) -> Vec<Row> {
        let mut runs: Vec<Run> = operation
            .subjects
            .into_iter()
            .map(|subject| Run::new(subject, operation.batch, self))
            .collect();
        for _ in 0..self.samples {
            for run in &mut runs {
                run.sample(self.shortest);
            }
        }
        let row = |run: Run| {
            let summary = match run.subject.source {
                Source::Timed(_) => Summary::of_samples(&run.samples),
                Source::Recorded(figure) => Summary::of_one(figure),
            };
            let subject = (run.subject.name, run.subject.role);
            Row::new(area, operation.name, subject, "ns", summary)
        };
        runs.into_iter().map(row).collect()
    }
}

// ===== impl Operation =====

impl Operation {
    /// An operation that nobody can do yet.
    pub fn new(name: &'static str) -> Self {
        Self { name, batch: 1, subjects: Vec::new() }
    }

    /// Has a sample be of so many operations at least: for what depends on how many there are at once.
    pub fn at_once(mut self, operations: u64) -> Self {
        self.batch = operations;
        self
    }

    /// Adds a subject that does one operation a call, on this thread.
    pub fn sync<T>(
        self,
        role: Role,
        name: &'static str,
        mut once: impl FnMut() -> T + 'static,
    ) -> Self {
        self.timed(role, name, move |operations| {
            let began = Instant::now();
            for _ in 0..operations {
                black_box(once());
            }
            began.elapsed()
        })
    }

    /// Adds a subject that as many pinned threads use at once. The figure is wall time over the
    /// operations of all, so perfect scaling divides it by the number of processors.
    pub fn threads<T>(
        self,
        threads: usize,
        role: Role,
        name: &'static str,
        once: impl Fn() -> T + Sync + 'static,
    ) -> Self {
        self.timed(role, name, move |operations| contend(threads, operations, &once))
    }

    /// Adds a subject that does a batch of operations on a current-thread runtime: what the code
    /// costs. The loop is in the future, so that what it captures is paid once a batch.
    pub fn ct<F>(
        self,
        role: Role,
        name: &'static str,
        mut batch: impl FnMut(u64) -> F + 'static,
    ) -> Self
    where
        F: Future<Output = ()>,
    {
        let runtime = build(&mut Builder::new_current_thread());
        self.timed(role, name, move |operations| {
            let work = batch(operations);
            let began = Instant::now();
            runtime.block_on(work);
            began.elapsed()
        })
    }

    /// Adds a subject that does a batch of operations in a task of a runtime with two workers: what
    /// the scheduling costs.
    pub fn mt<F>(
        self,
        role: Role,
        name: &'static str,
        mut batch: impl FnMut(u64) -> F + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = build(Builder::new_multi_thread().worker_threads(2));
        self.timed(role, name, move |operations| {
            let work = batch(operations);
            runtime.block_on(async {
                // In a task, since the thread that blocks on the runtime is none of its workers.
                let timed = async {
                    let began = Instant::now();
                    work.await;
                    began.elapsed()
                };
                task::spawn("bench-batch", timed).join().await
            })
        })
    }

    /// Adds a subject that keeps the time itself: for operations with a part that does not count.
    pub fn timed(
        self,
        role: Role,
        name: &'static str,
        run: impl FnMut(u64) -> Duration + 'static,
    ) -> Self {
        self.add(Subject { name, role, source: Source::Timed(Box::new(run)) })
    }

    /// Adds a figure that was taken elsewhere, in nanoseconds.
    pub fn recorded(self, name: &'static str, nanoseconds: f64) -> Self {
        self.add(Subject { name, role: Role::Recorded, source: Source::Recorded(nanoseconds) })
    }

    /// Those who can do it.
    pub fn subjects(&mut self) -> &mut [Subject] {
        &mut self.subjects
    }

    fn add(mut self, subject: Subject) -> Self {
        self.subjects.push(subject);
        self
    }
}

// ===== impl Subject =====

impl Subject {
    /// Does so many operations and says how long they took; `None` if the subject is a record.
    pub fn run(&mut self, operations: u64) -> Option<Duration> {
        match &mut self.source {
            Source::Timed(run) => Some(run(operations)),
            Source::Recorded(_) => None,
        }
    }
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A subject that is being measured.
struct Run {
    subject: Subject,
    operations: u64,
    samples: Vec<f64>,
}

impl Run {
    /// Finds how many operations fill a sample, and goes on until figures are steady.
    fn new(subject: Subject, operations: u64, plan: &Plan) -> Self {
        let mut run = Self { subject, operations, samples: Vec::with_capacity(plan.samples) };
        let mut before = run.block(plan.shortest);
        for _ in 1..plan.warm_up {
            let now = run.block(plan.shortest);
            if (now - before).abs() <= AGREEMENT * before {
                break;
            }
            before = now;
        }
        run
    }

    /// The median of a few samples that are not kept.
    fn block(&mut self, shortest: Duration) -> f64 {
        for _ in 0..BLOCK {
            self.sample(shortest);
        }
        let figure = if self.samples.is_empty() { 0.0 } else { median(&self.samples) };
        self.samples.clear();
        figure
    }

    /// One sample that is long enough; a shorter one is made longer and taken again.
    fn sample(&mut self, shortest: Duration) {
        while let Some(took) = self.subject.run(self.operations) {
            if took >= shortest {
                self.samples.push(took.as_nanos() as f64 / self.operations as f64);
                return;
            }
            let missing = shortest.as_secs_f64() / took.as_secs_f64().max(1e-9);
            // A little more than is missing, and never a great leap on the word of a tiny sample.
            let factor = (missing * 1.2).clamp(1.1, 10.0);
            self.operations = (self.operations as f64 * factor).ceil() as u64;
        }
    }
}

/// Wall time of `operations`, shared out among `threads` that begin together.
pub(crate) fn contend<T>(
    threads: usize,
    operations: u64,
    once: &(impl Fn() -> T + Sync),
) -> Duration {
    let each = operations.div_ceil(threads as u64);
    let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let start = Barrier::new(threads);
    let work = |index: usize| {
        pin(index % processors);
        start.wait();
        let began = Instant::now();
        for _ in 0..each {
            black_box(once());
        }
        (began, Instant::now())
    };
    let spans: Vec<(Instant, Instant)> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|index| scope.spawn(move || work(index))).collect();
        running.into_iter().map(|thread| thread.join().expect("a subject does not panic")).collect()
    });
    let began = spans.iter().map(|span| span.0).min().expect("at least one thread");
    let ended = spans.iter().map(|span| span.1).max().expect("at least one thread");
    ended - began
}

/// Keeps this thread on one processor. Where that is not allowed it wanders, and the row is noisier.
fn pin(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    rustix::thread::sched_setaffinity(None, &set).unwrap_or_default();
}

/// A bare task: what peers are built of, and both sides where the task is not what is compared.
#[expect(clippy::disallowed_methods, reason = "the peer")]
pub(crate) fn tokio_spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(work)
}

pub(crate) fn build(builder: &mut Builder) -> Runtime {
    builder.enable_all().build().expect("a runtime can be built on a machine at rest")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::{Operation, Plan, contend};
    use crate::row::Role;

    #[test]
    fn subjects_are_sampled_in_turn_and_long_enough() {
        let order = Rc::new(Cell::new(Vec::new()));
        let subject = |mark: char| {
            let order = Rc::clone(&order);
            // Ten microseconds an operation by its own account, so no time passes.
            move |operations: u64| {
                let mut marks = order.take();
                marks.push((mark, operations));
                order.set(marks);
                Duration::from_micros(10) * operations as u32
            }
        };
        let operation = Operation::new("op")
            .timed(Role::Ours, "a", subject('a'))
            .timed(Role::Peer, "b", subject('b'))
            .recorded("c", 7.0);
        let rows = Plan::QUICK.measure("area", operation);

        let figures: Vec<f64> = rows.iter().map(|row| row.median).collect();
        assert_eq!(figures, [10_000.0, 10_000.0, 7.0]);
        let calls = order.take();
        let tail: String = calls[calls.len() - 6..].iter().map(|(mark, _)| mark).collect();
        assert_eq!(tail, "ababab");
        assert!(calls[calls.len() - 6..].iter().all(|(_, operations)| *operations >= 100));
    }

    #[test]
    fn threads_share_the_operations_out() {
        let count = AtomicU64::new(0);
        contend(4, 1_000, &|| count.fetch_add(1, Ordering::Relaxed));
        assert_eq!(count.into_inner(), 1_000);
    }
}
