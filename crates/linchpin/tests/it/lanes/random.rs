//! Whatever is done in whatever order: a plain model of the rules says the same after every step.
//!
//! The model has no lines and no tables: a list of lanes, each of which is asked whether it may start. Who is passed is
//! counted by itself, by a look at who could have started. What is visited is not foreseen, but judged.

mod below;
mod model;

use std::collections::BTreeMap;
use std::time::Duration;

use linchpin::Context;
use linchpin::sync::lanes::{Class, Lanes, Options, Seat, Started, Surplus, Visit};
use linchpin::time::{Instant, Timestamp};
use linchpin_testing::steps::poll_by_hand;
use proptest::prelude::*;

use self::model::{CLASSES, Ended, GROUPS, LANES, Model, Rules, Waiting};
use crate::paused;

#[derive(Clone, Copy, Debug)]
enum Step {
    Offer { lane: usize, bytes: usize },
    Put(usize),
    DropSeat(usize),
    Next,
    Answer(usize),
    TimeOut(usize),
    Drop(usize),
    PutBack(usize),
    Hold { which: usize, millis: u64 },
    HoldGroup { which: usize, millis: u64 },
    Release(usize),
    ReleaseGroup(usize),
    TakeBack(usize),
    Store { lane: usize, millis: u64 },
    Visit(usize),
    VisitSeat { which: usize, bytes: usize },
    Leave { which: usize, millis: Option<u64> },
    EndVisit { which: usize, is_done: bool },
    Lay(usize),
    Laid { which: usize, millis: u64 },
    Keep(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let which = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    let lane = || 0..GROUPS * LANES;
    prop_oneof![
        20 => (lane(), 0..40_usize).prop_map(|(lane, bytes)| Step::Offer { lane, bytes }),
        18 => which().prop_map(Step::Put),
        2 => which().prop_map(Step::DropSeat),
        20 => Just(Step::Next),
        12 => which().prop_map(Step::Answer),
        2 => which().prop_map(Step::TimeOut),
        10 => which().prop_map(Step::Drop),
        3 => which().prop_map(Step::PutBack),
        2 => (which(), 0..150_u64).prop_map(|(which, millis)| Step::Hold { which, millis }),
        1 => (which(), 0..150_u64).prop_map(|(which, millis)| Step::HoldGroup { which, millis }),
        2 => lane().prop_map(Step::Release),
        1 => (0..GROUPS).prop_map(Step::ReleaseGroup),
        1 => lane().prop_map(Step::TakeBack),
        4 => (lane(), 0..100_u64).prop_map(|(lane, millis)| Step::Store { lane, millis }),
        4 => (1..4_usize).prop_map(Step::Visit),
        6 => (which(), 0..40_usize).prop_map(|(which, bytes)| Step::VisitSeat { which, bytes }),
        3 => (which(), prop::option::of(0..100_u64))
            .prop_map(|(which, millis)| Step::Leave { which, millis }),
        4 => (which(), any::<bool>()).prop_map(|(which, is_done)| Step::EndVisit { which, is_done }),
        5 => (1..4_usize).prop_map(Step::Lay),
        3 => (which(), 0..100_u64).prop_map(|(which, millis)| Step::Laid { which, millis }),
        1 => which().prop_map(Step::Keep),
        8 => (0..70_u64).prop_map(Step::Pass),
    ]
}

// ===== the lanes, beside the model =====

struct World {
    lanes: Lanes<usize, usize, usize>,
    model: Model,
    origin: Instant,
    seats: Vec<(Seat<usize, usize, usize>, usize, usize)>,
    /// With the number that the model has for it.
    begun: BTreeMap<usize, Started<usize, usize, usize>>,
    visits: Vec<(Visit<usize, usize, usize>, usize)>,
    surplus: Vec<(Surplus<usize, usize, usize>, usize, Waiting)>,
    /// The lane of each item.
    lane_of: BTreeMap<usize, usize>,
}

fn name(lane: usize) -> (usize, usize) {
    (lane / LANES, lane % LANES)
}

/// One of those, if there are any.
fn pick<T>(from: &mut Vec<T>, which: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(which % from.len()))
}

impl World {
    fn new(rules: Rules) -> Self {
        let origin = Instant::now();
        let options = Options::default()
            .items(rules.items)
            .bytes(rules.bytes)
            .lane_items(rules.lane_items)
            .lane_bytes(rules.lane_bytes)
            .lane_places(rules.window)
            .slow_after(Duration::from_micros(rules.slow_after))
            .clock(move || Timestamp::default() + origin.elapsed());
        Self {
            lanes: Lanes::new(rules.places, options).unwrap(),
            model: Model::new(rules),
            origin,
            seats: Vec::new(),
            begun: BTreeMap::new(),
            visits: Vec::new(),
            surplus: Vec::new(),
            lane_of: BTreeMap::new(),
        }
    }

    async fn step(&mut self, step: Step, id: usize) {
        // No two moments are the same, so that nothing depends on who is looked at first.
        let later = |millis: u64| millis * 1_000 + 1 + (id as u64 % 500);
        let now = self.origin.elapsed().as_micros() as u64;
        self.model.at(now);
        match step {
            Step::Offer { lane, bytes } => {
                let (group, key) = name(lane);
                let seat = self.lanes.lane(group, key).offer(bytes);
                assert_eq!(seat.is_ok(), self.model.offer(lane, bytes), "offer {bytes}");
                self.seats.extend(seat.ok().map(|seat| (seat, lane, bytes)));
            }
            Step::Put(which) => {
                let Some((seat, lane, bytes)) = pick(&mut self.seats, which) else { return };
                self.model.put(lane, bytes, id);
                self.lane_of.insert(id, lane);
                seat.put(id);
            }
            Step::DropSeat(which) => {
                let Some((seat, lane, bytes)) = pick(&mut self.seats, which) else { return };
                self.model.stand(lane, bytes);
                drop(seat);
            }
            Step::Next => {
                let begun = self.lanes.try_next();
                let expected = self.model.next(id);
                assert_eq!(begun.as_deref().copied(), expected);
                self.begun.extend(begun.map(|begun| (id, begun)));
            }
            Step::Answer(which) => {
                let Some((id, begun)) = self.one(which) else { return };
                begun.answered();
                self.model.end(id, Ended::Answered);
            }
            Step::TimeOut(which) => {
                let Some((id, begun)) = self.one(which) else { return };
                begun.timed_out();
                self.model.end(id, Ended::TimedOut);
            }
            Step::Drop(which) => {
                let Some((id, _)) = self.one(which) else { return };
                drop(self.begun.remove(&id));
                self.model.drop_begun(id);
            }
            Step::PutBack(which) => {
                let Some((id, _)) = self.one(which) else { return };
                self.begun.remove(&id).unwrap().put_back();
                self.model.put_back(id);
            }
            Step::Hold { which, millis } => {
                let until = self.origin + Duration::from_micros(now + later(millis));
                let Some((id, begun)) = self.one(which) else { return };
                begun.hold(until);
                self.model.hold(id, now + later(millis));
            }
            Step::HoldGroup { which, millis } => {
                let until = self.origin + Duration::from_micros(now + later(millis));
                let Some((id, begun)) = self.one(which) else { return };
                begun.hold_group(until);
                self.model.hold_group(id, now + later(millis));
            }
            Step::Release(lane) => {
                let (group, key) = name(lane);
                self.lanes.lane(group, key).release();
                self.model.release(lane);
            }
            Step::ReleaseGroup(group) => {
                self.lanes.release_group(&group);
                self.model.release_group(group);
            }
            Step::TakeBack(lane) => {
                let (group, key) = name(lane);
                assert_eq!(self.lanes.lane(group, key).take_back(), self.model.take_back(lane));
            }
            Step::Pass(millis) => tokio::time::advance(Duration::from_millis(millis)).await,
            below => self.below(below, now, later),
        }
        self.compare();
    }

    /// What is done with what lies below.
    fn below(&mut self, step: Step, now: u64, later: impl Fn(u64) -> u64) {
        match step {
            Step::Store { lane, millis } => {
                let (group, key) = name(lane);
                let due = Timestamp::default() + Duration::from_micros(now + later(millis));
                self.lanes.lane(group, key).stored(due).unwrap();
                self.model.store(lane, now + later(millis));
            }
            Step::Visit(most) => self.visit(most),
            Step::VisitSeat { which, bytes } => {
                if self.visits.is_empty() {
                    return;
                }
                let which = which % self.visits.len();
                let (visit, lane) = &self.visits[which];
                let seat = visit.seat(bytes);
                assert_eq!(seat.is_ok(), self.model.sit(*lane, bytes));
                self.seats.extend(seat.ok().map(|seat| (seat, *lane, bytes)));
            }
            Step::Leave { which, millis } => {
                if self.visits.is_empty() {
                    return;
                }
                let which = which % self.visits.len();
                let (visit, lane) = &mut self.visits[which];
                let next = millis.map(|millis| now + later(millis));
                visit.leaves(next.map(|next| Timestamp::default() + Duration::from_micros(next)));
                self.model.leave(*lane, next);
            }
            Step::EndVisit { which, is_done } => {
                let Some((visit, lane)) = pick(&mut self.visits, which) else { return };
                self.model.visited(lane, is_done);
                if is_done { visit.done() } else { drop(visit) }
            }
            Step::Lay(most) => self.lay(most),
            Step::Laid { which, millis } => {
                let Some((one, lane, waiting)) = pick(&mut self.surplus, which) else { return };
                let due = now + later(millis);
                one.laid(Timestamp::default() + Duration::from_micros(due));
                self.model.laid(lane, waiting.1, due);
            }
            Step::Keep(which) => {
                let Some((one, lane, waiting)) = pick(&mut self.surplus, which) else { return };
                drop(one);
                self.model.keep(lane, waiting);
            }
            other => unreachable!("{other:?} is done above"),
        }
    }

    fn one(&mut self, which: usize) -> Option<(usize, &mut Started<usize, usize, usize>)> {
        let which = which % self.begun.len().max(1);
        self.begun.iter_mut().nth(which).map(|(id, begun)| (*id, begun))
    }

    fn visit(&mut self, most: usize) {
        let ctx = Context::root();
        let polled = poll_by_hand(self.lanes.visits(&ctx, most)).poll();
        let std::task::Poll::Ready(visits) = polled else {
            assert_eq!(self.model.must_be_visited(), None, "{:?}", self.model);
            return;
        };
        let visits = visits.unwrap();
        assert!((1..=most).contains(&visits.len()));
        for visit in visits {
            let lane = visit.group() * LANES + visit.key();
            self.model.call(lane, visit.room());
            self.visits.push((visit, lane));
        }
    }

    fn lay(&mut self, most: usize) {
        let ctx = Context::root();
        let polled = poll_by_hand(self.lanes.surplus(&ctx, most)).poll();
        let std::task::Poll::Ready(surplus) = polled else {
            assert_eq!(self.model.must_be_laid(), None, "{:?}", self.model);
            return;
        };
        let surplus = surplus.unwrap();
        assert!((1..=most).contains(&surplus.len()));
        for one in surplus {
            let lane = self.lane_of[&*one];
            let waiting = self.model.lay(lane, *one);
            self.surplus.push((one, lane, waiting));
        }
    }

    #[track_caller]
    fn compare(&mut self) {
        self.model.at(self.origin.elapsed().as_micros() as u64);
        for (index, class) in CLASSES.into_iter().enumerate() {
            let numbers = self.lanes.numbers(class);
            let ours = (numbers.under_way, numbers.items, numbers.bytes);
            assert_eq!(ours, self.model.numbers(index), "{class:?} {:?}", self.model);
        }
    }
}

async fn play(rules: Rules, steps: Vec<Step>) {
    let mut world = World::new(rules);
    for (id, step) in steps.into_iter().enumerate() {
        world.step(step, id).await;
    }
    // In the end all is given back, whatever it was.
    let World { lanes, seats, begun, visits, surplus, .. } = world;
    drop((seats, begun, visits, surplus));
    for lane in 0..GROUPS * LANES {
        let (group, key) = name(lane);
        drop(lanes.lane(group, key).take_back());
    }
    for class in [Class::Proven, Class::Fresh, Class::Slow] {
        let left = lanes.numbers(class);
        assert_eq!((left.under_way, left.items, left.bytes), (0, 0, 0));
    }
}

fn rules() -> impl Strategy<Value = Rules> {
    let places = (1..20_usize).prop_flat_map(|places| (Just(places), 1..=places.min(6)));
    let memory = (1..120_usize, 1..1_500_usize, 1..12_usize, 1..100_usize);
    (places, memory, 40..90_u64).prop_map(|((places, window), memory, slow_after)| {
        let (items, bytes, lane_items, lane_bytes) = memory;
        let slow_after = slow_after * 1_000;
        Rules { places, window, items, bytes, lane_items, lane_bytes, slow_after }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn a_plain_model_says_the_same_after_every_step(
        rules in rules(),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        paused::block_on(play(rules, steps));
    }
}
