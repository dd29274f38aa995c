//! What all handles of an adaptive limit share.

use std::time::Duration;

use super::gate::{Full, Gate, Of};
use super::laws::{Estimator, Sample};
use super::meters::Meters;
use super::options::{Algorithm, Options};
use super::state::{Change, Ending, Numbers};
use crate::resilience::BadOptions;
use crate::resilience::news::News;
use crate::resilience::samples::{Samples, Sum};
use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::shim::{Mutex, lock};
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct Core {
    pub(super) name: &'static str,
    pub(super) meters: Meters,
    pub(super) gate: Gate,
    samples: Samples,
    /// When the window ends. [`EACH`] if there is none, and each call is learnt from at once.
    due: AtomicU64,
    state: Mutex<Locked>,
}

#[derive(Debug)]
struct Locked {
    options: Options,
    estimator: Estimator,
    /// Of this window, what did not fit into the word.
    carried: Sum,
    /// How long calls took that were learnt from last.
    rtt: Option<Duration>,
    learnt: u64,
    news: News<Change>,
}

/// Before every instant.
const EACH: u64 = 0;
/// What is over sooner was answered by nobody: a cache, a refusal, an error before anything was done.
const SHORTEST_CALL: u64 = 100_000;

impl Core {
    pub(super) fn new(name: &'static str, options: Options, now: Instant) -> Self {
        let estimator = Estimator::checked(&options);
        let meters = Meters::new(name);
        meters.born(estimator.whole());
        Self {
            name,
            meters,
            gate: Gate::new(estimator.whole(), &options.partitions),
            samples: Samples::new(),
            due: AtomicU64::new(due(&options, now)),
            state: Mutex::new(Locked {
                options,
                estimator,
                carried: Sum::default(),
                rtt: None,
                learnt: 0,
                news: News::default(),
            }),
        }
    }

    /// Counts how a call has ended, and learns from it.
    #[inline]
    pub(super) fn end(&self, ending: Ending, inflight: u32, started: Instant, now: Instant) {
        let nanos = now.nanos_since(started);
        self.meters.ended(ending, nanos);
        let sample = match ending {
            Ending::Success => Sum::one(nanos, inflight, false),
            Ending::Overloaded => Sum::one(nanos, inflight, true),
            Ending::Failure | Ending::Ignored => return,
        };
        let due = self.due.load(Acquire);
        if due != EACH {
            if nanos < SHORTEST_CALL && !sample.dropped {
                return;
            }
            if self.samples.add(&sample) {
                if now.to_bits() >= due {
                    self.learn(None, nanos, now);
                }
                return;
            }
        }
        self.learn(Some(sample), nanos, now);
    }

    /// Learns from what has been gathered, and from a sample that was not, if it is time to.
    #[cold]
    fn learn(&self, more: Option<Sum>, nanos: u64, now: Instant) {
        {
            let mut state = lock(&self.state);
            let state = &mut *state;
            let due = self.due.load(Relaxed);
            if let Some(more) = more {
                state.carried.add(more);
            }
            if due == EACH {
                let sum = std::mem::take(&mut state.carried);
                self.judge(state, sum, nanos);
            } else if now.to_bits() < due {
                // Somebody else has just judged the window, or the word is full.
                state.carried.add(self.samples.take());
            } else {
                let mut sum = std::mem::take(&mut state.carried);
                sum.add(self.samples.take());
                self.due.store((now + state.options.window).to_bits(), Release);
                if sum.count >= u64::from(state.options.min_samples) {
                    self.judge(state, sum, sum.nanos / sum.count);
                }
            }
        }
        self.tell();
    }

    fn judge(&self, state: &mut Locked, sum: Sum, nanos: u64) {
        let (from, rtt) = (state.estimator.whole(), Duration::from_nanos(nanos));
        let sample = Sample { rtt, inflight: sum.peak, dropped: sum.dropped };
        let to = state.estimator.learn(sample);
        state.learnt += sum.count;
        if !sum.dropped {
            state.rtt = Some(rtt);
        }
        if from != to {
            self.gate.set_limit(to);
            state.news.push(Change { from, to, rtt, inflight: sum.peak, dropped: sum.dropped });
        }
    }

    pub(super) fn reconfigure(&self, options: Options, now: Instant) -> Result<(), BadOptions> {
        {
            let mut state = lock(&self.state);
            if !self.gate.reshare(&options.partitions) {
                let why = "other partitions; calls under way are counted in those there are, so \
                           build another limit";
                return Err(BadOptions::new("Adaptive", why));
            }
            let from = state.estimator.whole();
            state.estimator.reconfigure(&options);
            let to = state.estimator.whole();
            // A window that has begun ends when it was to end, and is nothing to another algorithm.
            if options.algorithm != state.options.algorithm {
                self.due.store(due(&options, now), Release);
                (state.carried, state.rtt) = (Sum::default(), None);
                self.samples.take();
            }
            state.options = options;
            if from != to {
                self.gate.set_limit(to);
                let rtt = state.rtt.unwrap_or_default();
                let inflight = self.gate.look().inside;
                state.news.push(Change { from, to, rtt, inflight, dropped: false });
            }
        }
        self.tell();
        Ok(())
    }

    pub(super) fn numbers(&self) -> Numbers {
        let Full { inside, limit } = self.gate.look();
        let state = lock(&self.state);
        Numbers {
            limit,
            inflight: inside,
            rtt: state.rtt,
            unloaded: state.estimator.unloaded(),
            queue: state.rtt.and_then(|rtt| state.estimator.queue(rtt)),
            samples: state.learnt,
            pending: state.carried.count + self.samples.look().count,
        }
    }

    /// Tells what has happened. Never under the lock.
    fn tell(&self) {
        let told = |change| self.meters.changed(self.name, &change);
        News::tell(&self.state, |state| &mut state.news, told);
    }

    #[inline]
    pub(super) fn leave(&self, of: Of) {
        self.gate.leave(of);
    }
}

fn due(options: &Options, now: Instant) -> u64 {
    match options.algorithm {
        Algorithm::Gradient2 => (now + options.window).to_bits(),
        _ => EACH,
    }
}

#[cfg(all(test, linchpin_loom))]
impl Core {
    pub(super) fn gathered(&self) -> u64 {
        let numbers = self.numbers();
        numbers.samples + numbers.pending
    }
}
