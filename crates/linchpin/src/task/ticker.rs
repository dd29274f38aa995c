//! Something to do every so often.

use std::fmt;
use std::future::poll_fn;
use std::time::Duration;

use crate::context::{Context, Ended};
use crate::resilience::BadOptions;
use crate::time::{Instant, Nap};

/// Ticks at a fixed period.
///
/// Go's `time.Ticker`, pulled instead of pushed: the next tick is waited for when the work of the last is done, so
/// ticks never overlap, nothing runs between them, and there is nothing to stop: a ticker that is not asked does
/// nothing. By default it ticks at once, and ticks that slow work [missed](Missed) are skipped and counted.
///
/// | you want | use |
/// |---|---|
/// | something once, later, unless it is put off | [`Timer`](super::Timer) |
/// | to act when a burst of changes is over | [`debounce`](super::debounce) |
/// | to act at most so often | [`throttle`](super::throttle) |
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::{Context, task::Ticker};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let ctx = Context::root().with_timeout(Duration::from_millis(25));
/// let (mut ticker, mut sweeps) = (Ticker::every(Duration::from_millis(10))?, 0);
/// while ticker.tick(&ctx).await.is_ok() {
///     sweeps += 1;
/// }
/// assert!(sweeps <= 3);
/// # Ok(())
/// # }
/// ```
pub struct Ticker {
    rhythm: Rhythm,
    nap: Nap,
    random: fastrand::Rng,
}

/// One tick.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Tick {
    /// When it was due, jitter included.
    pub due: Instant,
    /// How much later it came. The timer's own grain is a millisecond.
    pub late: Duration,
    /// How many ticks after it were skipped because it came so late.
    pub missed: u64,
}

/// How a [`Ticker`] ticks. By default at once, without jitter, skipping what was missed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    start: Start,
    missed: Missed,
    jitter: f64,
    seed: Option<u64>,
}

/// When the first tick is due.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Start {
    /// When the ticker is made.
    #[default]
    AtOnce,
    /// A period later, as in Go.
    AfterPeriod,
    /// At random within the first period, so that instances that start together do not tick together.
    Spread,
}

/// What becomes of ticks that fell due while nobody asked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Missed {
    /// One comes at once, the rest is skipped and the rhythm is kept. So does Go's, with its channel of one.
    #[default]
    Skip,
    /// All of them come, one after the other, as fast as they are asked for.
    Burst,
    /// One comes at once, and the rhythm begins anew: a whole period follows every tick.
    Delay,
}

/// When the next tick is due: all that a ticker knows, without a clock or chance of its own.
struct Rhythm {
    period: Duration,
    missed: Missed,
    jitter: f64,
    /// The next place of the rhythm ...
    place: Instant,
    /// ... and what jitter made of it.
    due: Instant,
}

// ===== impl Ticker =====

impl Ticker {
    /// A ticker with this period and nothing else to say.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn every(period: Duration) -> Result<Self, BadOptions> {
        Self::new(period, Options::default())
    }

    /// A ticker with this period. The rhythm begins now.
    ///
    /// # Errors
    ///
    /// If the period is zero, or the jitter no share between 0.0 and 1.0.
    pub fn new(period: Duration, options: Options) -> Result<Self, BadOptions> {
        checked(period)?;
        let Options { start, missed, jitter, seed } = options;
        if !(0.0..=1.0).contains(&jitter) {
            let why = format!("a jitter of {jitter} is not a share between 0.0 and 1.0");
            return Err(BadOptions::new("Ticker", why));
        }
        let mut random = seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let first = match start {
            Start::AtOnce => Duration::ZERO,
            Start::AfterPeriod => period,
            Start::Spread => period.mul_f64(random.f64()),
        };
        let place = Instant::now() + first;
        let mut rhythm = Rhythm { period, missed, jitter, place, due: place };
        rhythm.place_at(place, random.f64());
        Ok(Self { rhythm, nap: Nap::default(), random })
    }

    /// Waits for the next tick; one that is due already comes at once. Allocates at the first wait alone.
    ///
    /// # Errors
    ///
    /// [`Ended`] when the context ends first, and at once if its deadline is before the tick.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a tokio runtime with timers. The one where it first waits keeps its timer.
    ///
    /// # Cancel safety
    ///
    /// Safe: a tick that was not returned is not lost.
    pub async fn tick(&mut self, ctx: &Context) -> Result<Tick, Ended> {
        let (due, nap) = (self.rhythm.due, &mut self.nap);
        let now = ctx.run_until(due, poll_fn(|cx| nap.poll(due, cx))).await?;
        Ok(self.rhythm.take(now, self.random.f64()))
    }

    /// Begins the rhythm anew: the next tick is due a period from now.
    pub fn reset(&mut self) {
        self.rhythm.place_at(Instant::now() + self.rhythm.period, self.random.f64());
    }

    /// Begins the rhythm anew with another period. Go's `Ticker.Reset`.
    ///
    /// # Errors
    ///
    /// If the period is zero; the rhythm is as before then.
    pub fn reset_to(&mut self, period: Duration) -> Result<(), BadOptions> {
        self.rhythm.period = checked(period)?;
        self.reset();
        Ok(())
    }

    /// Makes the next tick due now, and the one after it a period later: something happened that cannot wait.
    pub fn hurry(&mut self) {
        self.rhythm.place = Instant::now();
        self.rhythm.due = self.rhythm.place;
    }

    /// When the next tick is due.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.rhythm.due
    }

    /// The period.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.rhythm.period
    }
}

impl fmt::Debug for Ticker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rhythm { period, missed, due, .. } = &self.rhythm;
        f.debug_struct("Ticker")
            .field("period", period)
            .field("missed", missed)
            .field("due", due)
            .finish_non_exhaustive()
    }
}

fn checked(period: Duration) -> Result<Duration, BadOptions> {
    if period.is_zero() {
        return Err(BadOptions::new("Ticker", "a period of zero would tick without end"));
    }
    Ok(period)
}

// ===== impl Rhythm =====

impl Rhythm {
    fn place_at(&mut self, place: Instant, u: f64) {
        self.place = place;
        self.due = place;
        if self.jitter > 0.0 {
            self.due += self.period.mul_f64(self.jitter * u);
        }
    }

    /// The tick that is due comes `now`; `u` is the chance of the next.
    fn take(&mut self, now: Instant, u: f64) -> Tick {
        let (due, late) = (self.due, now - self.due);
        let (missed, next) = match self.missed {
            Missed::Skip => {
                let missed = self.periods_in(late);
                let whole = Duration::from_nanos(missed.saturating_mul(nanos(self.period)));
                (missed, self.place + whole + self.period)
            }
            Missed::Burst => (0, self.place + self.period),
            Missed::Delay => (self.periods_in(late), now + self.period),
        };
        self.place_at(next, u);
        Tick { due, late, missed }
    }

    fn periods_in(&self, late: Duration) -> u64 {
        if late < self.period { 0 } else { nanos(late) / nanos(self.period) }
    }
}

/// Of what lies between two instants all fits; a period beyond is as good as endless.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

// ===== impl Options =====

impl Options {
    /// When the first tick is due. Default: at once.
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// What becomes of ticks that fell due while nobody asked. Default: they are skipped.
    #[must_use]
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// Delays each tick by up to this share of the period, at random; the rhythm under it is kept. Default 0.0.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// Makes chance repeatable, for tests. Default: another at each start.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}
