//! What the lock of the machine guards, and how it becomes seen by those without the lock.

use std::mem;
use std::time::Duration;

use super::machine::{Core, No, SLOTS, chance};
use super::options::Options;
use super::state::Change;
use super::word::{self, Word};
use crate::resilience::buckets::Buckets;
use crate::resilience::news::News;
use crate::shim::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use crate::shim::{Fault, lock, planted};
use crate::time::Instant;

/// Requests in the window, and those of them that were accepted.
type Window = Buckets<12, 2>;

/// All that is not in the word.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) options: Options,
    /// Where stretches of the window begin.
    origin: Instant,
    window: Window,
    slots: Slots,
    epoch: u64,
    news: News<Change>,
}

/// The slot in which calls begin now.
#[derive(Clone, Copy, Debug)]
struct Slots {
    index: u64,
    began: Instant,
    /// In nanoseconds; zero if there are none.
    length: u64,
}

impl Locked {
    pub(super) fn new(options: Options, now: Instant) -> Self {
        Self {
            window: Window::new(options.window, now, now),
            slots: Slots { index: 0, began: now, length: Slots::length(&options) },
            options,
            origin: now,
            epoch: 0,
            news: News::default(),
        }
    }

    pub(super) fn frame(&self) -> word::Numbers {
        let Options { min_requests, multiplier, aggression, most_refused, probe_after, .. } =
            &self.options;
        let [requests, accepted] = self.window.sums();
        word::Numbers {
            until: self.slots.end().min(self.window.end()),
            slot: self.slots.index,
            counts_pending: (self.slots.length != 0).into(),
            requests,
            accepted,
            min_requests: (*min_requests).into(),
            multiplier: multiplier.to_bits(),
            exponent: aggression.recip().to_bits(),
            most: most_refused.to_bits(),
            probe_after: probe_after.map_or(u64::MAX, nanos),
        }
    }
}

impl Slots {
    fn length(options: &Options) -> u64 {
        options.pending_grace.map_or(0, |grace| (nanos(grace) / SLOTS as u64).max(1))
    }

    fn end(&self) -> u64 {
        if self.length == 0 { u64::MAX } else { self.began.to_bits().saturating_add(self.length) }
    }

    fn advanced(mut self, now: Instant) -> Self {
        if let Some(passed) = now.nanos_since(self.began).checked_div(self.length) {
            self.index += passed;
            self.began += Duration::from_nanos(passed.saturating_mul(self.length));
        }
        self
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Core {
    /// Makes room in the word, and lets what is too old go, if nobody else has.
    #[cold]
    pub(super) fn turn(&self, now: Instant) {
        {
            let state = &mut *lock(&self.state);
            let word = Word(self.hot.word.load(Acquire));
            if word.is_full() || now.to_bits() >= self.frames[word.frame()].until() {
                self.advance(state, now, state.slots.advanced(now));
                self.ends(state);
            }
        }
        self.tell();
    }

    /// Other options from now on; what was counted stays.
    pub(super) fn reconfigure(&self, options: Options, now: Instant) {
        {
            let state = &mut *lock(&self.state);
            // So that the windows have only whole stretches to share.
            self.advance(state, now, state.slots.advanced(now));
            let mut window = Window::new(options.window, state.origin, now);
            window.inherit(&state.window);
            state.window = window;
            state.options = options;
            // Who is under way keeps its place in the line of slots.
            let (index, length) = (state.slots.index + 1, Slots::length(&state.options));
            self.advance(state, now, Slots { index, began: now, length });
            self.ends(state);
        }
        self.tell();
    }

    /// Brings all to `now`, where calls begin in `slots`.
    fn advance(&self, state: &mut Locked, now: Instant, slots: Slots) {
        let from = mem::replace(&mut state.slots, slots).index;
        self.retire(from, slots.index);
        let word = self.publish(state, now);
        // Those who go meanwhile may take themselves off before they are put there.
        self.place(from, slots.index).fetch_add(word.begun(), AcqRel);
    }

    /// Those who began in slots that are too old now are overdue.
    fn retire(&self, from: u64, to: u64) {
        // A slot that is not over holds nobody yet who is not in the word.
        let slots = SLOTS as u64;
        for slot in (from + 1).max(slots)..=to.min(from + slots) {
            let begun = self.begun[(slot % slots) as usize].swap(0, AcqRel);
            self.hot.overdue.fetch_add(begun, AcqRel);
        }
    }

    /// Writes a frame with what is in the window and in the word, and an empty word that names it; the word that was.
    fn publish(&self, state: &mut Locked, now: Instant) -> Word {
        let before = state.window.clone();
        state.epoch += 1;
        let next = Word::new(state.epoch);
        loop {
            let word = Word(self.hot.word.load(Acquire));
            state.window = before.clone();
            state.window.add([word.requests(), word.accepted()]);
            state.window.advance(now);
            self.frames[next.frame()].write(&state.frame());
            if planted(Fault::ThrottleTurnsUnseen) {
                self.hot.word.store(next.0, Relaxed);
                return word;
            }
            // Whoever counted meanwhile is in the frame, too.
            if self.hot.word.compare_exchange(word.0, next.0, AcqRel, Acquire).is_ok() {
                return word;
            }
        }
    }

    // ----- events

    /// Somebody is refused, and nobody has heard of it.
    #[cold]
    pub(super) fn begins(&self, no: &No) {
        {
            let mut state = lock(&self.state);
            if !self.hot.throttling.swap(true, Relaxed) {
                let No { requests, accepted, chance } = *no;
                state.news.push(Change { throttling: true, requests, accepted, chance });
            }
        }
        self.tell();
    }

    /// Nobody is refused any more.
    fn ends(&self, state: &mut Locked) {
        if self.hot.throttling.load(Relaxed) {
            let word = Word(self.hot.word.load(Acquire));
            let frame = &self.frames[word.frame()];
            let (requests, accepted, _) = self.tally(word, frame);
            let chance = chance(requests, accepted, frame);
            if chance == 0.0 {
                self.hot.throttling.store(false, Relaxed);
                state.news.push(Change { throttling: false, requests, accepted, chance });
            }
        }
    }

    fn tell(&self) {
        News::tell(
            &self.state,
            |state| &mut state.news,
            |change| {
                self.meters.changed(self.name, &change);
            },
        );
    }
}
