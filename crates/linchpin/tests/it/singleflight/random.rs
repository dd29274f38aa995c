//! Random courses of everything that can be done to a group, beside a plain model.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use linchpin::Context;
use linchpin::context::Child;
use linchpin::resilience::{Failed, FailedKind};
use linchpin::sync::singleflight::{Group, Options};
use linchpin_testing::steps::{self, Poller, poll_by_hand};
use proptest::prelude::*;

const KEYS: u8 = 3;
const MOST: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody comes, with work that is ready at once, or not.
    Come {
        key: u8,
        at_once: bool,
    },
    /// A flight ends: with a value, an error, a panic.
    End {
        which: usize,
        fate: Fate,
    },
    Drop(usize),
    Cancel(usize),
    Forget(u8),
    Invalidate(u8),
    InvalidateAll,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Value,
    Error,
    Panic,
}

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![3 => Just(Fate::Value), 1 => Just(Fate::Error), 1 => Just(Fate::Panic)];
    prop_oneof![
        10 => (0..KEYS, prop::bool::weighted(0.1)).prop_map(|(key, at_once)| Step::Come { key, at_once }),
        3 => (any::<usize>(), fate).prop_map(|(which, fate)| Step::End { which, fate }),
        3 => any::<usize>().prop_map(Step::Drop),
        2 => any::<usize>().prop_map(Step::Cancel),
        1 => (0..KEYS).prop_map(Step::Forget),
        1 => (0..KEYS).prop_map(Step::Invalidate),
        1 => Just(Step::InvalidateAll),
    ]
}

/// A flight has the number of its leader.
#[derive(Debug)]
struct Plain {
    key: u8,
    open: bool,
    waiting: Vec<usize>,
}

/// The work of one caller: whether it runs, and what it is told to come to.
#[derive(Default)]
struct Job {
    fate: Option<Fate>,
    waker: Option<Waker>,
    dropped: bool,
}

type Call = Pin<Box<dyn Future<Output = Result<usize, Failed<usize>>>>>;

struct Caller {
    id: usize,
    key: u8,
    at_once: bool,
    ctx: Child,
    poller: Poller<Call>,
    seen: usize,
}

struct World {
    group: Group<u8, usize, usize>,
    flights: BTreeMap<usize, Plain>,
    callers: Vec<Caller>,
    jobs: Arc<Mutex<BTreeMap<usize, Job>>>,
    began: u64,
    shared: u64,
}

/// Notes the end of a job.
struct Running(Arc<Mutex<BTreeMap<usize, Job>>>, usize);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().unwrap().get_mut(&self.1).unwrap().dropped = true;
    }
}

impl World {
    async fn step(&mut self, step: Step, id: usize) {
        match step {
            Step::Come { key, at_once } => self.come(key, at_once, id),
            Step::End { which, fate } => self.end(which, fate).await,
            Step::Drop(which) if !self.callers.is_empty() => {
                let caller = self.callers.remove(which % self.callers.len());
                self.leave(caller.id);
            }
            Step::Cancel(which) if !self.callers.is_empty() => {
                let at = which % self.callers.len();
                let mut caller = self.callers.remove(at);
                caller.ctx.cancel("planted");
                assert!(caller.poller.wakes() > caller.seen, "its context has ended");
                let Poll::Ready(Err(failed)) = caller.poller.poll() else { panic!("it has ended") };
                assert!(matches!(failed.kind(), FailedKind::Ended(_)));
                self.leave(caller.id);
            }
            Step::Drop(_) | Step::Cancel(_) => {}
            Step::Forget(key) => {
                assert_eq!(self.group.forget(&key), self.open(key).is_some());
                self.close(|plain| plain.key == key);
            }
            Step::Invalidate(key) => {
                assert_eq!(self.group.invalidate(&key), self.open(key).is_some());
                let closed = self.close(|plain| plain.key == key);
                self.anew(closed);
            }
            Step::InvalidateAll => {
                self.group.invalidate_all();
                let closed = self.close(|_| true);
                self.anew(closed);
            }
        }
        steps::settle().await;
        self.compare();
    }

    fn come(&mut self, key: u8, at_once: bool, id: usize) {
        let ctx = Context::root().child();
        let (group, own, jobs) = (self.group.clone(), Context::clone(&ctx), self.jobs.clone());
        let call: Call = Box::pin(async move {
            let work = |_: linchpin::sync::singleflight::Flight<'_>| {
                let job = Job { fate: at_once.then_some(Fate::Value), ..Job::default() };
                assert!(jobs.lock().unwrap().insert(id, job).is_none(), "called twice");
                let running = Running(jobs, id);
                poll_fn(move |cx| {
                    let mut jobs = running.0.lock().unwrap();
                    let job = jobs.get_mut(&id).unwrap();
                    job.waker = Some(cx.waker().clone());
                    let fate = job.fate;
                    drop(jobs);
                    match fate {
                        None => Poll::Pending,
                        Some(Fate::Value) => Poll::Ready(Ok(id)),
                        Some(Fate::Error) => Poll::Ready(Err(id)),
                        Some(Fate::Panic) => panic!("planted"),
                    }
                })
            };
            group.run(&own, key, work).await
        });
        let mut caller = Caller { id, key, at_once, ctx, poller: poll_by_hand(call), seen: 0 };
        if self.enter(key, id) && at_once {
            let Poll::Ready(Ok(value)) = caller.poller.poll() else { panic!("ready at once") };
            assert_eq!(value, id);
            self.flights.remove(&id);
            return;
        }
        assert!(caller.poller.poll().is_pending());
        self.callers.push(caller);
    }

    /// One comes in the model; whether it leads.
    fn enter(&mut self, key: u8, id: usize) -> bool {
        if let Some(plain) = self.open(key) {
            if plain.waiting.len() <= MOST {
                plain.waiting.push(id);
                self.shared += 1;
                return false;
            }
            plain.open = false;
        }
        self.began += 1;
        self.flights.insert(id, Plain { key, open: true, waiting: vec![id] });
        true
    }

    fn open(&mut self, key: u8) -> Option<&mut Plain> {
        self.flights.values_mut().find(|plain| plain.open && plain.key == key)
    }

    fn leave(&mut self, id: usize) {
        for plain in self.flights.values_mut() {
            plain.waiting.retain(|other| *other != id);
        }
        self.flights.retain(|_, plain| !plain.waiting.is_empty());
    }

    async fn end(&mut self, which: usize, fate: Fate) {
        let Some(leader) = self.flights.keys().nth(which % self.flights.len().max(1)).copied()
        else {
            return;
        };
        {
            let mut jobs = self.jobs.lock().unwrap();
            let job = jobs.get_mut(&leader).unwrap();
            job.fate = Some(fate);
            job.waker.take().unwrap().wake();
        }
        steps::settle().await;
        let plain = self.flights.remove(&leader).unwrap();
        for id in plain.waiting {
            let at = self.callers.iter().position(|caller| caller.id == id).unwrap();
            let mut caller = self.callers.remove(at);
            assert!(caller.poller.wakes() > caller.seen, "it was not woken");
            let Poll::Ready(outcome) = caller.poller.poll() else { panic!("woken for nothing") };
            match (fate, outcome.map_err(Failed::into_kind)) {
                (Fate::Value, Ok(of)) | (Fate::Error, Err(FailedKind::Callee(of))) => {
                    assert_eq!(of, leader);
                }
                (Fate::Panic, Err(FailedKind::Panicked(_))) => {}
                (fate, other) => panic!("{fate:?}: {other:?}"),
            }
        }
    }

    /// Closes flights in the model; says which.
    fn close(&mut self, is: impl Fn(&Plain) -> bool) -> Vec<usize> {
        let open = self.flights.iter_mut().filter(|(_, plain)| plain.open && is(plain));
        open.map(|(leader, plain)| {
            plain.open = false;
            *leader
        })
        .collect()
    }

    /// Those who share those flights come anew, in the order in which they first came.
    fn anew(&mut self, closed: Vec<usize>) {
        let mut sharing: Vec<usize> = Vec::new();
        for leader in closed {
            let plain = self.flights.get_mut(&leader).unwrap();
            sharing.extend(plain.waiting.iter().filter(|id| **id != leader));
            plain.waiting.retain(|id| *id == leader);
        }
        self.flights.retain(|_, plain| !plain.waiting.is_empty());
        sharing.sort_unstable();
        for id in sharing {
            let at = self.callers.iter().position(|caller| caller.id == id).unwrap();
            let (key, at_once) = (self.callers[at].key, self.callers[at].at_once);
            let leads = self.enter(key, id);
            let caller = &mut self.callers[at];
            assert!(caller.poller.wakes() > caller.seen, "it was not told");
            match caller.poller.poll() {
                Poll::Pending => assert!(!(leads && at_once)),
                Poll::Ready(outcome) => {
                    assert!(leads && at_once && outcome.is_ok_and(|value| value == id));
                    self.flights.remove(&id);
                    self.callers.remove(at);
                }
            }
        }
    }

    fn compare(&mut self) {
        for caller in &mut self.callers {
            // A leader is woken by an invalidation, and finds nothing.
            if caller.poller.wakes() > caller.seen {
                assert!(caller.poller.poll().is_pending(), "woken for something");
                caller.seen = caller.poller.wakes();
            }
        }
        let numbers = self.group.numbers();
        let ours = (numbers.running, numbers.calls, numbers.shared);
        assert_eq!(ours, (self.flights.len(), self.began, self.shared), "{:?}", self.flights);
        let jobs = self.jobs.lock().unwrap();
        let running: Vec<usize> =
            jobs.iter().filter(|(_, job)| !job.dropped).map(|(id, _)| *id).collect();
        assert_eq!(running, self.flights.keys().copied().collect::<Vec<_>>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn a_plain_model_of_a_group_says_the_same_after_every_step(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut world = World {
                group: Group::new(Options::default().max_waiting(MOST)).unwrap(),
                flights: BTreeMap::new(),
                callers: Vec::new(),
                jobs: Arc::default(),
                began: 0,
                shared: 0,
            };
            for (id, step) in steps.into_iter().enumerate() {
                world.step(step, id).await;
            }
            world.callers.clear();
            steps::settle().await;
            assert_eq!(world.group.numbers().running, 0);
        });
    }
}
