//! The store within a process: what a shared limiter falls back on, and what tests and single machines take.

use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::keys::Keys;
use super::super::machine::Kept;
use super::super::meters::KeyMeters;
use super::quota::Quota;
use super::store::{Answer, Left, MOST_QUOTAS, RateStore, Visit};
use crate::error::{Error, Kind};
use crate::resilience::BadOptions;
use crate::time::Instant;

/// A store in the memory of this process, which is not shared with others: for one machine, and for tests. It is a table
/// of keys like that of a [`Keyed`](super::super::Keyed) limiter, and forgets and overflows as that does.
///
/// Its clock is monotonic.
pub struct Memory {
    keys: Keys<String, Words>,
    meters: KeyMeters,
    epoch: u64,
}

#[derive(Clone, Copy)]
struct Words;

/// What is kept of a key.
#[derive(Clone, Copy, Debug, Default)]
struct Paid {
    words: AllWords,
    /// Whether another store is still to be told.
    untold: bool,
}

/// A word for each quota: the time at which all that has passed is paid for.
pub(super) type AllWords = [u64; MOST_QUOTAS];

/// Another for each store of this process.
static EPOCHS: AtomicU64 = AtomicU64::new(1);

// ===== impl Memory =====

impl Memory {
    /// One that is empty and keeps that many keys; `name` tells it apart in metrics.
    ///
    /// # Errors
    ///
    /// If it would keep none.
    pub fn new(name: &'static str, max_keys: usize) -> Result<Self, BadOptions> {
        if max_keys == 0 {
            let why = "it would keep no key, and all would share one bucket";
            return Err(BadOptions::new("limiter::Memory", why));
        }
        let (keys, meters) = (Keys::usual(Words, max_keys), KeyMeters::new(name));
        Ok(Self { keys, meters, epoch: EPOCHS.fetch_add(1, Ordering::Relaxed) })
    }

    /// How many keys it remembers now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it remembers none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What [`take`](RateStore::take) answers, at once.
    pub(super) fn judge(&self, visit: &Visit<'_>) -> Answer {
        let now = now(visit);
        let lasts = visit.cost() > 0;
        let judge = |_: &Words, _, paid: &mut Paid| {
            let answer = judge(visit, &mut paid.words, now);
            paid.untold |= answer.passed && lasts;
            if answer.passed { Ok(answer) } else { Err(answer) }
        };
        match self.keys.with(visit.key(), now, lasts, &self.meters, judge) {
            Ok((answer, _)) | Err(answer) => answer,
        }
    }

    /// The words of a key of which another store is still to be told.
    pub(super) fn untold(&self, key: &str, now: u64) -> Option<AllWords> {
        let look = |_: &Words, _, paid: &mut Paid| {
            let owes = paid.untold && paid.words.iter().any(|word| *word > now);
            if owes { Ok(paid.words) } else { Err(()) }
        };
        self.keys.with(key, now, false, &self.meters, look).ok().map(|(words, _)| words)
    }

    /// It was told these words. What has passed since is still to be told.
    pub(super) fn told(&self, key: &str, told: &AllWords) {
        let tell = |_: &Words, _, paid: &mut Paid| {
            paid.untold &= paid.words != *told;
            Ok::<(), Infallible>(())
        };
        let Ok(_) = self.keys.with(key, 0, false, &self.meters, tell);
    }
}

impl RateStore for Memory {
    async fn take<'a>(&'a self, visit: &'a Visit<'a>) -> crate::Result<Answer> {
        check(visit)?;
        Ok(self.judge(visit))
    }

    async fn penalize<'a>(&'a self, visit: &'a Visit<'a>) -> crate::Result<()> {
        check(visit)?;
        let now = now(visit);
        self.keys.penalize_by(visit.key(), &self.meters, |_, paid| {
            paid.untold = true;
            for (quota, word) in visit.quotas().iter().zip(&mut paid.words) {
                let wait = (visit.wait_us() * 1000).min(quota.longest_wait_us() * 1000);
                *word = quota.pace.penalized(quota.healed(*word, now), now + wait);
            }
        });
        Ok(())
    }

    async fn epoch(&self) -> crate::Result<u64> {
        Ok(self.epoch)
    }
}

fn check(visit: &Visit<'_>) -> crate::Result<()> {
    match visit.quotas().len() {
        1..=MOST_QUOTAS => Ok(()),
        many => {
            let why = format!("{many} quotas; say at least 1 and at most {MOST_QUOTAS}");
            Err(Error::new(Kind::InvalidArgument, why))
        }
    }
}

/// In nanoseconds.
fn now(visit: &Visit<'_>) -> u64 {
    visit.now_us().map_or_else(|| Instant::now().to_bits(), |now| now * 1000)
}

/// All, or none of them.
fn judge(visit: &Visit<'_>, words: &mut AllWords, now: u64) -> Answer {
    let (cost, most) = (visit.cost(), visit.wait_us() * 1000);
    let mut after = *words;
    let mut passed = true;
    for ((quota, word), stood) in visit.quotas().iter().zip(&mut after).zip(words.iter_mut()) {
        let healed = quota.healed(*word, now);
        if cost > 0 {
            // Whatever is decided: otherwise each who is refused would find it unhealed.
            *stood = healed.min(*stood);
        }
        *word = healed + u64::from(cost) * quota.pace.interval;
        passed &= cost == 0 || wait(quota, *word, now) <= most;
    }
    let lefts = visit.quotas().iter().zip(&after).map(|(quota, word)| {
        let stands = if passed { *word } else { *word - u64::from(cost) * quota.pace.interval };
        let seen = quota.pace.decision(stands, now, 0);
        Left {
            remaining: seen.remaining(),
            wait_us: wait(quota, *word, now).div_ceil(1000),
            reset_us: (stands - now).div_ceil(1000),
        }
    });
    let answer = Answer::of(passed, lefts);
    if passed && cost > 0 {
        *words = after;
    }
    answer
}

/// How long until who leaves the word there may pass.
fn wait(quota: &Quota, word: u64, now: u64) -> u64 {
    word.saturating_sub(now + quota.pace.allowance)
}

impl Kept for Words {
    type State = Paid;

    fn fresh(&self) -> Paid {
        Paid::default()
    }

    fn is_fresh(&self, paid: &Paid, now: u64) -> bool {
        paid.words.iter().all(|word| *word <= now)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.meters.gone(self.keys.len());
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("keys", &self.len()).finish_non_exhaustive()
    }
}
