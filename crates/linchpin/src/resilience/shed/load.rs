//! How much of the processors is used, for all who want to know.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metrics::Gauge;
use tokio::runtime::Handle;

use super::cpu::{Average, Process, Reading, Source};
use crate::context::Context;
use crate::error::catch;
use crate::resilience::BadOptions;
use crate::resilience::news::told;
use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::{Acquire, Release};
use crate::sync::packed::Field;
use crate::task::{self, Task, Ticker};
use crate::time::Instant;

/// How much of the processors is used. Clones share it: one is enough for all shedders of a process.
///
/// Four times a second a task reads it, which ends with the last clone.
///
/// ```
/// # use linchpin::resilience::shed::{Load, Options, Shedder};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let load = Load::of_process()?;
/// let api = Shedder::new("api", Options::default().load(load.clone()))?;
/// let hooks = Shedder::new("hooks", Options::default().load(load))?;
/// # drop((api, hooks));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Load {
    word: Arc<AtomicU64>,
    #[expect(dead_code, reason = "held for its drop, which ends the task")]
    task: Option<Arc<Task<()>>>,
}

const SHARE: Field = Field::first(32);
const THROTTLED: Field = SHARE.then(1);

/// The share is kept in millionths: as a small float it would be a little above or below what was said.
const MILLION: f64 = 1e6;

/// How often it is read.
const EVERY: Duration = Duration::from_millis(250);

impl Load {
    /// That of this process, by what the kernel says of it ([`Process`]).
    ///
    /// # Errors
    ///
    /// Outside of a tokio runtime: somebody has to read it.
    pub fn of_process() -> Result<Self, BadOptions> {
        Self::sampled(Process::new())
    }

    /// What `source` tells, four times a second.
    ///
    /// # Errors
    ///
    /// As [`of_process`](Self::of_process).
    pub fn sampled(source: impl Source) -> Result<Self, BadOptions> {
        if Handle::try_current().is_err() {
            let why = "no runtime to read the load in; build it inside of one, or give a `load`";
            return Err(BadOptions::new("Shedder", why));
        }
        let word = Arc::new(AtomicU64::new(0));
        let task = task::spawn("shed: load", sample(word.clone(), source));
        Ok(Self { word, task: Some(Arc::new(task)) })
    }

    /// What is [`set`](Self::set), for a test or a measure of one's own.
    #[must_use]
    pub fn given() -> Self {
        Self { word: Arc::new(AtomicU64::new(0)), task: None }
    }

    /// Says what the load is: the share of what there is, 1.0 being all of it. What is sampled changes it again.
    pub fn set(&self, share: f64) {
        store(&self.word, Reading { share, throttled: false });
    }

    /// The share of the processors that is used, averaged over some seconds.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.read().share
    }

    /// Whether the kernel has held the process back since the reading before the last.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.read().throttled
    }

    #[inline]
    pub(super) fn read(&self) -> Reading {
        let word = self.word.load(Acquire);
        let share = SHARE.get(word) as f64 / MILLION;
        Reading { share, throttled: THROTTLED.get(word) != 0 }
    }
}

async fn sample(word: Arc<AtomicU64>, mut source: impl Source) {
    let ctx = Context::root();
    let gauge = metrics::gauge!("linchpin_shed_load");
    let mut ticker = Ticker::every(EVERY).expect("a quarter of a second is a period");
    let (mut average, mut failing) = (Average::default(), false);
    while ticker.tick(&ctx).await.is_ok() {
        let reading = match catch(|| source.read()).map_err(|panic| panic.to_string()) {
            Ok(Ok(usage)) => {
                failing = false;
                average.feed(Instant::now(), usage)
            }
            failed => {
                let why = failed.map_or_else(|panic| panic, |error| format!("{error:?}"));
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(
                        why,
                        "the load cannot be read; nothing is shed by it until it can"
                    );
                }
                average.forget()
            }
        };
        store(&word, reading);
        show(&gauge, reading);
    }
}

fn show(gauge: &Gauge, reading: Reading) {
    told(|| gauge.set(reading.share));
}

fn store(word: &AtomicU64, reading: Reading) {
    // No number at all is none.
    let share = (reading.share * MILLION).round() as u32;
    word.store(SHARE.of(share.into()) | THROTTLED.of(reading.throttled.into()), Release);
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Load").field(&self.read()).finish()
    }
}
