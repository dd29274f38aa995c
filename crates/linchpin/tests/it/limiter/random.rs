//! Whatever is done in whatever order: a plain sequential model of the rules says the same after every step.

mod model;

use std::time::Duration;

use linchpin::resilience::limiter::{Limiter, Options, Rate, Reservation};
use linchpin::time::Instant;
use proptest::prelude::*;

use self::model::{Kind, Model};
use crate::paused;

#[derive(Clone, Copy, Debug)]
enum Step {
    Cancel(usize),
    Keep(usize),
    Pass(u64),
    Penalize(u64),
    Reserve(u32, u64),
    Try(u32),
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        3 => (1..8_u32).prop_map(|burst| Kind::Gcra { burst }),
        2 => (0..6_u32).prop_map(|queue| Kind::Leaky { queue }),
        1 => Just(Kind::Fixed),
        2 => Just(Kind::Log),
        2 => Just(Kind::Sliding),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let which = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    prop_oneof![
        8 => (0..6_u32).prop_map(Step::Try),
        8 => (1..6_u32, 0..400_u64).prop_map(|(cost, wait)| Step::Reserve(cost, wait)),
        4 => which().prop_map(Step::Cancel),
        1 => which().prop_map(Step::Keep),
        8 => prop_oneof![0..20_u64, 0..300_u64].prop_map(Step::Pass),
        1 => (0..200_u64).prop_map(Step::Penalize),
    ]
}

fn options(kind: Kind) -> Options {
    let options = Options::default();
    match kind {
        Kind::Gcra { burst } => options.burst(burst),
        Kind::Leaky { queue } => options.leaky_bucket(queue),
        Kind::Fixed => options.fixed_window(),
        Kind::Log => options.sliding_log(),
        Kind::Sliding => options.sliding_counter(),
    }
}

struct World {
    limiter: Limiter,
    model: Model,
    began: Instant,
    held: Vec<(usize, Reservation)>,
}

impl World {
    async fn step(&mut self, step: Step) {
        let nanos = Duration::from_nanos;
        let now = (Instant::now() - self.began).as_nanos() as u64;
        match step {
            Step::Pass(time) => tokio::time::advance(nanos(time)).await,
            Step::Try(cost) => {
                let ours = self.limiter.try_acquire(cost).map(drop).map_err(|no| no.retry_after);
                let model = self.model.reserve(now, cost, 0).map(drop);
                assert_eq!(ours, model.map_err(|wait| wait.map(nanos)));
            }
            Step::Reserve(cost, wait) => {
                let ours = self.limiter.reserve(cost, nanos(wait));
                match (ours, self.model.reserve(now, cost, wait)) {
                    (Ok(turn), Ok((id, at))) => {
                        assert_eq!(turn.at(), self.began + nanos(at));
                        self.held.push((id, turn));
                    }
                    (Err(no), Err(wait)) => assert_eq!(no.retry_after, wait.map(nanos)),
                    (ours, model) => panic!("ours {ours:?}, the model {model:?}"),
                }
            }
            Step::Cancel(which) if !self.held.is_empty() => {
                let (id, turn) = self.held.swap_remove(which % self.held.len());
                assert_eq!(turn.cancel(), self.model.cancel(id, now));
            }
            Step::Keep(which) if !self.held.is_empty() => {
                self.held.swap_remove(which % self.held.len()).1.keep();
            }
            Step::Cancel(_) | Step::Keep(_) => {}
            Step::Penalize(time) => {
                self.limiter.penalize(Instant::now() + nanos(time));
                self.model.penalize(now, now + time);
            }
        }
        let now = (Instant::now() - self.began).as_nanos() as u64;
        let remaining = self.limiter.try_acquire(0).unwrap().remaining();
        assert_eq!(remaining, self.model.remaining(now), "after {step:?} at {now}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_limiter_does_what_its_model_does(
        kind in kind(),
        (count, interval) in (1..9_u32, 3..30_u64),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        paused::block_on(async {
            let period = u64::from(count) * interval;
            let rate = Rate::new(count, Duration::from_nanos(period));
            let began = Instant::now();
            let limiter = Limiter::new("random", rate, options(kind)).unwrap();
            let model = Model::new(kind, count, interval);
            let mut world = World { limiter, model, began, held: Vec::new() };
            for step in steps {
                world.step(step).await;
            }
        });
    }
}
