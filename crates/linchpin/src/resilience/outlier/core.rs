//! What all handles of a balancer share: the choice, and what a call leaves behind.

use std::mem;
use std::sync::Arc;

use smallvec::SmallVec;

use super::meters::Meters;
use super::options::{Choice, Options};
use super::state::{Change, Numbers, TargetNumbers};
use super::sweep::{Locked, Member};
use super::target::{Entry, Target};
use crate::resilience::Outcome;
use crate::resilience::news::News;
use crate::resilience::retry::Tried;
use crate::shim::atomic::Ordering::{Acquire, Release};
use crate::shim::atomic::{AtomicU32, AtomicU64};
use crate::shim::{Fault, Mutex, lock, planted};
use crate::sync::biased::{self, Biased};
use crate::time::Instant;

pub(super) struct Core<T> {
    pub(super) name: &'static str,
    pub(super) meters: Meters,
    pub(super) random: fn() -> f64,
    /// Those that calls go to. Written under the lock of `state` alone.
    usable: Biased<Vec<Arc<Entry<T>>>>,
    /// When something is due next.
    due: AtomicU64,
    rules: Rules,
    state: Mutex<Locked<T>>,
}

/// What the options say to those without the lock.
struct Rules {
    /// By which a mean of latencies forgets, in nanoseconds as bits of a float; zero if it does not matter for the choice.
    peak_decay: AtomicU64,
    decay: AtomicU64,
    /// So many failures in a row eject; none if zero.
    consecutive: AtomicU32,
}

/// What was chosen.
pub(super) struct Ticket<T> {
    pub(super) target: Target<T>,
    started: Instant,
    was_begun: bool,
}

/// Above whatever a call may take: who was asked and has not answered yet is asked last.
const UNKNOWN: f64 = (u64::MAX >> 17) as f64;

impl Rules {
    fn new(options: &Options) -> Self {
        let rules = Self {
            peak_decay: AtomicU64::new(0),
            decay: AtomicU64::new(0),
            consecutive: AtomicU32::new(0),
        };
        rules.set(options);
        rules
    }

    fn set(&self, options: &Options) {
        let decay = (options.decay.as_nanos() as f64).to_bits();
        self.decay.store(decay, Release);
        let peak = if options.choice == Choice::PeakEwma { decay } else { 0 };
        self.peak_decay.store(peak, Release);
        self.consecutive.store(options.consecutive.unwrap_or(0), Release);
    }
}

impl<T> Core<T> {
    pub(super) fn new(name: &'static str, meters: Meters, options: Options, now: Instant) -> Self {
        let rules = Rules::new(&options);
        let random = options.random;
        let state = Locked::new(options, now);
        Self {
            name,
            meters,
            random,
            usable: Biased::new(Vec::new()),
            due: AtomicU64::new(state.due().to_bits()),
            rules,
            state: Mutex::new(state),
        }
    }

    // ----- calls

    /// Chooses a target for a call that begins now; none if there is none.
    #[inline]
    pub(super) fn pick(
        &self,
        now: Instant,
        u: f64,
        tried: Option<&Tried<Target<T>>>,
    ) -> Option<Ticket<T>> {
        self.catch_up(now);
        let peak_decay = match self.rules.peak_decay.load(Acquire) {
            0 => None,
            bits => Some(f64::from_bits(bits)),
        };
        let choose = |usable: &Vec<Arc<Entry<T>>>| match tried {
            None => choose(usable, u, &[], now, peak_decay),
            Some(tried) => tried.choose(|targets| {
                let ticket = choose(usable, u, targets, now, peak_decay)?;
                Some((ticket.target.clone(), ticket))
            }),
        };
        self.usable.read(biased::mine(), choose)
    }

    /// Counts how a call has ended.
    #[inline]
    pub(super) fn end(&self, ticket: &Ticket<T>, outcome: Outcome, now: Instant) {
        // What has ended before a sweep is not counted after it.
        self.catch_up(now);
        let took = now.nanos_since(ticket.started);
        let decay = f64::from_bits(self.rules.decay.load(Acquire));
        let entry = &ticket.target.0;
        entry.cost.observe(took, outcome != Outcome::Success, now, decay);
        let most = self.rules.consecutive.load(Acquire);
        let is_sick = entry.end(ticket.was_begun, outcome, most);
        if is_sick {
            self.failed(entry.id, now);
        }
        self.meters.ended(outcome, now - ticket.started);
    }

    #[inline]
    fn catch_up(&self, now: Instant) {
        if now.to_bits() >= self.due.load(Acquire) {
            self.change(|state| state.advance(now, self.random));
        }
    }

    #[cold]
    fn failed(&self, id: u64, now: Instant) {
        if planted(Fault::OutlierEjectsAll) {
            let ejected = lock(&self.state).ejected();
            self.change(|state| {
                if ejected == 0 {
                    state.members.iter_mut().filter(|member| member.entry.id == id).for_each(
                        |member| member.ejected = Some(now + state.options.base_ejection),
                    );
                }
                true
            });
            return;
        }
        self.change(|state| state.failed(id, now, self.random));
    }

    /// Changes what the lock guards, shows it to those without the lock if it did, and tells.
    #[cold]
    fn change(&self, change: impl FnOnce(&mut Locked<T>) -> bool) {
        let gone = {
            let mut state = lock(&self.state);
            if change(&mut state) { self.show(&mut state) } else { Vec::new() }
        };
        drop(gone);
        self.tell();
    }

    /// What was shown before, to be dropped outside of the lock.
    fn show(&self, state: &mut Locked<T>) -> Vec<Arc<Entry<T>>> {
        let usable = state.usable();
        self.due.store(state.due().to_bits(), Release);
        mem::replace(&mut *self.usable.lock(biased::mine(), biased::all), usable)
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

    // ----- the set

    /// Adds those that are new, and removes those that are not `kept`, in one step.
    pub(super) fn replace(
        &self,
        come: Vec<(T, Arc<str>)>,
        is_same: impl Fn(&T, &T) -> bool,
        now: Instant,
        removes: bool,
    ) {
        let mut went = Vec::new();
        self.change(|state| {
            // All that may panic first.
            let mut stays = vec![!removes; state.members.len()];
            let mut new: Vec<(T, Arc<str>)> = Vec::new();
            for (target, text) in come {
                let known =
                    state.members.iter().position(|old| is_same(&old.entry.target, &target));
                match known {
                    Some(index) => stays[index] = true,
                    None if new.iter().any(|(other, _)| is_same(other, &target)) => {}
                    None => new.push((target, text)),
                }
            }
            let mut stays = stays.into_iter();
            let (kept, gone) = mem::take(&mut state.members)
                .into_iter()
                .partition(|_| stays.next().unwrap_or(true));
            state.members = kept;
            leave(state, &gone);
            went = gone;
            for (target, text) in new {
                state.ids += 1;
                let entry = Arc::new(Entry::new(target, text.clone(), state.ids, now));
                state.members.push(Member::new(entry));
                state.news.push(Change::Came { target: text });
            }
            true
        });
        drop(went);
    }

    /// Removes those; how many.
    pub(super) fn remove(&self, is_gone: impl Fn(&T) -> bool) -> usize {
        let mut went = Vec::new();
        self.change(|state| {
            let gone: Vec<bool> =
                state.members.iter().map(|member| is_gone(&member.entry.target)).collect();
            let mut gone = gone.into_iter();
            let (left, kept): (Vec<_>, Vec<_>) = mem::take(&mut state.members)
                .into_iter()
                .partition(|_| gone.next().unwrap_or(false));
            state.members = kept;
            leave(state, &left);
            went = left;
            true
        });
        went.len()
    }

    pub(super) fn reconfigure(&self, options: Options, now: Instant) {
        self.change(|state| {
            state.advance(now, self.random);
            self.rules.set(&options);
            state.take_options(options, now);
            true
        });
    }

    // ----- for people

    pub(super) fn numbers(&self, now: Instant) -> Numbers {
        self.catch_up(now);
        let state = lock(&self.state);
        Numbers {
            targets: state.members.len(),
            ejected: state.ejected(),
            panicking: state.panicking,
            under_way: state.members.iter().map(|member| member.entry.under_way()).sum(),
            ejections: state.ejections,
            overflows: state.overflows,
        }
    }

    pub(super) fn targets(&self, now: Instant) -> Vec<TargetNumbers<T>> {
        self.catch_up(now);
        let state = lock(&self.state);
        let numbers = |member: &Member<T>| {
            let (calls, successes) = member.entry.counted();
            let target = Target(member.entry.clone());
            TargetNumbers {
                under_way: member.entry.under_way(),
                calls,
                successes,
                success_rate: member.success_rate,
                consecutive_failures: member.entry.failures(),
                latency: target.latency(now, state.options.decay),
                ejected_for: member.ejected.map(|until| until - now),
                ejections: member.ejections,
                target,
            }
        };
        state.members.iter().map(numbers).collect()
    }
}

impl<T> Drop for Core<T> {
    fn drop(&mut self) {
        let state = lock(&self.state);
        self.meters.ends(state.members.len(), state.ejected(), state.panicking);
    }
}

fn leave<T>(state: &mut Locked<T>, gone: &[Member<T>]) {
    for member in gone {
        let (target, was_ejected) = (member.entry.text.clone(), member.ejected.is_some());
        state.news.push(Change::Went { target, was_ejected });
    }
}

/// The better of two that are drawn by chance from those that were not tried; from all if all were.
#[inline]
fn choose<T>(
    usable: &[Arc<Entry<T>>],
    u: f64,
    tried: &[Target<T>],
    now: Instant,
    peak_decay: Option<f64>,
) -> Option<Ticket<T>> {
    let entry = if tried.is_empty() {
        let (one, other) = draw(usable.len(), u)?;
        better(&usable[one], &usable[other], now, peak_decay)
    } else {
        let fresh = |entry: &&Arc<Entry<T>>| !tried.iter().any(|tried| tried.is(entry));
        let mut left: SmallVec<[&Arc<Entry<T>>; 16]> = usable.iter().filter(fresh).collect();
        if left.is_empty() {
            left = usable.iter().collect();
        }
        let (one, other) = draw(left.len(), u)?;
        better(left[one], left[other], now, peak_decay)
    };
    let was_begun = entry.begin();
    Some(Ticket { target: Target(entry.clone()), started: now, was_begun })
}

/// Two different numbers below `len`, if there are two, each as likely as any other: the second draw leaves out what was
/// drawn first.
#[inline]
fn draw(len: usize, u: f64) -> Option<(usize, usize)> {
    if len < 2 {
        return (len == 1).then_some((0, 0));
    }
    let first = u.clamp(0.0, 1.0) * len as f64;
    let one = (first as usize).min(len - 1);
    let rest = (first - one as f64).min(1.0);
    let other = ((rest * (len - 1) as f64) as usize).min(len - 2);
    Some((one, if other >= one { other + 1 } else { other }))
}

#[inline]
fn better<'a, T>(
    one: &'a Arc<Entry<T>>,
    other: &'a Arc<Entry<T>>,
    now: Instant,
    peak_decay: Option<f64>,
) -> &'a Arc<Entry<T>> {
    let is_one = match peak_decay {
        None => one.under_way() <= other.under_way(),
        Some(decay) => load(one, now, decay) <= load(other, now, decay),
    };
    if is_one { one } else { other }
}

/// How long a call that begins now would take, if those under way are served one after the other.
#[inline]
fn load<T>(entry: &Entry<T>, now: Instant, decay: f64) -> f64 {
    let under_way = entry.under_way() as f64;
    let cost = entry.cost.at(now, decay);
    if cost == 0.0 && under_way != 0.0 { UNKNOWN + under_way } else { cost * (under_way + 1.0) }
}
