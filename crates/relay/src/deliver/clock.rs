//! The clock by which deliveries are due: that of the wall, without its steps back.
//!
//! A wall clock is set by somebody: a server of time, an operator, a virtual machine that goes on where it was suspended. What is
//! due must be a time of the wall nevertheless, since it outlives the process. So this clock follows the wall while both agree
//! that a second takes a second. When the wall steps back it goes on by the monotonic clock, and is ahead of the wall from
//! then on; when the wall steps forward it goes along, but for what it is ahead already.
//!
//! What it is ahead is kept at each step and at the end, and the next process goes on with it: what waits was written by this clock.
//! If the wall shows less then than when that was kept, it went back while nobody looked, and the clock is ahead by that, too. More
//! than a day is not believed: such a file comes from a machine whose clock was wrong, and what waits is brought back instead.
//!
//! What others read is of the wall: signatures, ids, when an attempt was made, and when the next will be.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use linchpin::context::{Context, Ended};
use linchpin::sync::Mutex;
use linchpin::task::Ticker;
use linchpin::time::{Instant, Timestamp};

use super::lead::Lead;

/// The clock of the schedules. Clones share it.
#[derive(Clone)]
pub struct Clock(Arc<Shared>);

struct Shared {
    wall: Box<dyn Fn() -> Timestamp + Send + Sync>,
    anchor: Mutex<Anchor>,
    back: metrics::Counter,
    forward: metrics::Counter,
}

/// What the clock showed when it was last looked at.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    time: Timestamp,
    at: Instant,
    /// How far it is ahead of the wall.
    lead: Duration,
}

/// How the wall has stepped since the last look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    Back(Duration),
    Forward(Duration),
}

/// What the two clocks may differ by from one look to the next. More is a step, less is what clocks do.
const STEP: Duration = Duration::from_secs(2);
/// How often the clock is looked at. Nobody is told when the wall is set: who sleeps until a moment of it sleeps on.
const LOOK: Duration = Duration::from_secs(1);
/// The most that a clock is ahead of the wall when it begins.
const MOST: Duration = Duration::from_hours(24);

// ===== impl Clock =====

impl Clock {
    /// One that follows `wall`.
    #[must_use]
    pub fn new(wall: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let steps = |direction: &'static str| metrics::counter!("relay_clock_steps_total", "direction" => direction);
        let anchor = Anchor { time: wall(), at: Instant::now(), lead: Duration::ZERO };
        Self(Arc::new(Shared {
            wall: Box::new(wall),
            anchor: Mutex::new(anchor),
            back: steps("back"),
            forward: steps("forward"),
        }))
    }

    /// Now, as the schedules have it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let (wall, now) = ((self.0.wall)(), Instant::now());
        self.0.anchor.lock().read(wall, now)
    }

    /// When something is due that is meant for a moment of the wall.
    pub(super) fn due(&self, wall: Timestamp) -> Timestamp {
        wall + self.lead()
    }

    /// What the wall will show when something is due.
    pub(crate) fn shown(&self, due: Timestamp) -> Timestamp {
        due - self.lead()
    }

    fn lead(&self) -> Duration {
        let (wall, now) = ((self.0.wall)(), Instant::now());
        self.0.anchor.lock().read(wall, now).since(wall)
    }

    /// What the next process is to know.
    pub(super) fn kept(&self) -> Lead {
        let (wall, now) = ((self.0.wall)(), Instant::now());
        Lead { ahead: self.0.anchor.lock().read(wall, now).since(wall), wall }
    }

    /// Goes on as the clock of the last process. What is to be kept instead, if anything is.
    pub(super) fn resume(&self, last: Lead) -> Option<Lead> {
        let (wall, now) = ((self.0.wall)(), Instant::now());
        match Anchor::after(last, wall, now) {
            Ok(None) => {}
            Ok(Some(anchor)) => {
                let by = anchor.lead;
                tracing::warn!(
                    ?by,
                    "the wall clock went back before the start: what is due stays so"
                );
                *self.0.anchor.lock() = anchor;
            }
            Err(by) => {
                tracing::warn!(
                    ?by,
                    "the wall clock is behind what is stored by too much to go by that: it is believed"
                );
            }
        }
        let kept = self.kept();
        (kept.ahead != last.ahead || kept.wall < last.wall).then_some(kept)
    }

    /// Looks at the clock until it has made a step.
    pub(super) async fn stepped(&self, ctx: &Context) -> Result<Step, Ended> {
        let mut ticker = Ticker::every(LOOK).expect("a period that is not zero");
        loop {
            ticker.tick(ctx).await?;
            let Some(step) = self.look() else { continue };
            match step {
                Step::Forward(by) => {
                    tracing::warn!(?by, "the wall clock went forward: what it passed is due");
                    self.0.forward.increment(1);
                }
                Step::Back(by) => {
                    tracing::warn!(?by, "the wall clock went back: what is due stays so");
                    self.0.back.increment(1);
                }
            }
            return Ok(step);
        }
    }

    fn look(&self) -> Option<Step> {
        let (wall, now) = ((self.0.wall)(), Instant::now());
        self.0.anchor.lock().look(wall, now)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(Timestamp::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&*self.0.anchor.lock()).finish()
    }
}

// ===== impl Anchor =====

impl Anchor {
    /// Where a clock begins that was ahead of the wall in the last process, unless it begins with the wall. If it were ahead by too
    /// much, by how much.
    fn after(last: Lead, wall: Timestamp, now: Instant) -> Result<Option<Self>, Duration> {
        // It never goes back, whatever the wall did meanwhile.
        let lead = last.ahead.saturating_add(last.wall.since(wall));
        match () {
            () if lead > MOST => Err(lead),
            () if lead > STEP => Ok(Some(Self { time: wall + lead, at: now, lead })),
            () => Ok(None),
        }
    }

    /// What the clock shows now. It never goes back.
    fn read(&self, wall: Timestamp, now: Instant) -> Timestamp {
        match self.step(wall, now) {
            // By a little the wall is right: what else would the monotonic clock be set by?
            None => self.time.max(wall + self.lead),
            Some(_) => wall.max(self.going(now)),
        }
    }

    /// The same where nobody had set the wall.
    fn going(&self, now: Instant) -> Timestamp {
        self.time + (now - self.at)
    }

    fn step(&self, wall: Timestamp, now: Instant) -> Option<Step> {
        let (seen, going) = (wall + self.lead, self.going(now));
        let (forward, back) = (seen.since(going), going.since(seen));
        match () {
            () if forward > STEP => Some(Step::Forward(forward)),
            () if back > STEP => Some(Step::Back(back)),
            () => None,
        }
    }

    /// Goes on from here.
    fn look(&mut self, wall: Timestamp, now: Instant) -> Option<Step> {
        let (time, step) = (self.read(wall, now), self.step(wall, now));
        let lead = if step.is_some() { time.since(wall) } else { self.lead };
        *self = Self { time, at: now, lead };
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const SECOND: Duration = Duration::from_secs(1);
    const NOON: Timestamp = Timestamp::from_seconds(1_700_000_000);

    /// A clock that was looked at at noon, and when that was.
    fn anchor() -> (Anchor, Instant) {
        let at = Instant::now();
        (Anchor { time: NOON, at, lead: Duration::ZERO }, at)
    }

    #[linchpin_testing::test]
    fn a_wall_that_goes_back_is_left_behind() {
        let (mut anchor, noon) = anchor();
        let wall = NOON - HOUR;
        assert_eq!(anchor.read(wall + SECOND, noon + SECOND), NOON + SECOND, "before any look");
        assert_eq!(anchor.look(wall + SECOND, noon + SECOND), Some(Step::Back(HOUR)));
        assert_eq!(anchor.look(wall + HOUR, noon + HOUR), None, "told once");
        assert_eq!(anchor.read(wall + HOUR * 2, noon + HOUR * 2), NOON + HOUR * 2);
        assert_eq!(anchor.lead, HOUR);
    }

    #[linchpin_testing::test]
    fn a_wall_that_goes_forward_takes_the_clock_along() {
        let (mut anchor, noon) = anchor();
        let wall = NOON + HOUR;
        assert_eq!(anchor.read(wall + SECOND, noon + SECOND), wall + SECOND);
        assert_eq!(anchor.look(wall + SECOND, noon + SECOND), Some(Step::Forward(HOUR)));
        assert_eq!(anchor.look(wall + SECOND * 2, noon + SECOND * 2), None);
        assert_eq!(anchor.lead, Duration::ZERO);
    }

    #[linchpin_testing::test]
    fn a_wall_that_went_back_and_comes_again_moves_nothing() {
        let (mut anchor, noon) = anchor();
        anchor.look(NOON - HOUR, noon);
        assert_eq!(anchor.look(NOON - HOUR / 2, noon), Some(Step::Forward(HOUR / 2)));
        assert_eq!((anchor.time, anchor.lead), (NOON, HOUR / 2), "half of the lead is left");
        assert_eq!(anchor.look(NOON + HOUR, noon), Some(Step::Forward(HOUR * 3 / 2)));
        assert_eq!((anchor.time, anchor.lead), (NOON + HOUR, Duration::ZERO));
    }

    #[linchpin_testing::test]
    fn a_clock_goes_on_where_the_last_process_left_it() {
        let lead = |ahead, wall| {
            Anchor::after(Lead { ahead, wall }, NOON, Instant::now())
                .map(|anchor| anchor.map_or(Duration::ZERO, |anchor| anchor.lead))
        };
        assert_eq!(lead(Duration::ZERO, NOON - HOUR), Ok(Duration::ZERO), "an hour has passed");
        assert_eq!(lead(HOUR, NOON - HOUR), Ok(HOUR), "the wall went back, and an hour has passed");
        assert_eq!(lead(Duration::ZERO, NOON + HOUR), Ok(HOUR), "the wall went back meanwhile");
        assert_eq!(lead(HOUR, NOON + HOUR), Ok(HOUR * 2), "both");
        assert_eq!(lead(Duration::ZERO, NOON + SECOND), Ok(Duration::ZERO), "no step");
        let year = HOUR * 24 * 365;
        assert_eq!(lead(Duration::ZERO, NOON + year), Err(year));
        assert_eq!(lead(MOST + SECOND, NOON - HOUR), Err(MOST + SECOND));
        let nonsense = Timestamp::from_micros(i64::MAX);
        assert!(lead(Duration::MAX, nonsense).is_err());
    }

    #[linchpin_testing::test]
    fn what_clocks_differ_by_does_not_add_up() {
        let (mut anchor, noon) = anchor();
        // The monotonic clock gains a thousandth: after a day a minute and a half.
        for second in 1..=86_400_u32 {
            let now = noon + (SECOND + Duration::from_millis(1)) * second;
            let wall = NOON + SECOND * second;
            assert_eq!(anchor.look(wall, now), None);
            assert_eq!(anchor.read(wall, now), wall);
        }
        let just_back = anchor.time - SECOND;
        assert_eq!(anchor.read(just_back, anchor.at), anchor.time, "but never back");
    }
}
