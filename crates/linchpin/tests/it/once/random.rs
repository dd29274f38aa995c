//! Random courses of everything that can be done to a value that is made once, beside a plain model.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use linchpin::context::Child;
use linchpin::resilience::{Failed, FailedKind};
use linchpin::sync::once::Once;
use linchpin::{Context, error};
use linchpin_testing::steps::{Poller, poll_by_hand};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody comes.
    Come,
    /// Whoever makes the value is done: it has one, or an error, or panics.
    Made,
    Failed,
    Panicked,
    /// One who is there goes away, or its context ends.
    Drop(usize),
    End(usize),
    Set,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Come),
        1 => Just(Step::Made),
        4 => Just(Step::Failed),
        2 => Just(Step::Panicked),
        3 => any::<usize>().prop_map(Step::Drop),
        2 => any::<usize>().prop_map(Step::End),
        1 => Just(Step::Set),
    ]
}

/// What the work of one is told to come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Made,
    Failed,
    Panicked,
    Ended,
}

#[derive(Debug, Default)]
struct Model {
    value: Option<usize>,
    maker: Option<usize>,
    line: VecDeque<usize>,
}

impl Model {
    fn leave(&mut self, id: usize) {
        self.line.retain(|other| *other != id);
        if self.maker == Some(id) {
            self.maker = self.line.pop_front();
        }
    }
}

type Load = Pin<Box<dyn Future<Output = Result<usize, Failed<()>>>>>;

struct Caller {
    id: usize,
    ctx: Child,
    poller: Poller<Load>,
    seen: usize,
}

struct World {
    once: Arc<Once<usize>>,
    model: Model,
    callers: Vec<Caller>,
    /// Whose work runs, and what it is to come to.
    working: Arc<Mutex<Option<usize>>>,
    told: Arc<Mutex<Option<Fate>>>,
}

impl World {
    fn step(&mut self, step: Step, id: usize) {
        match step {
            Step::Come => self.come(id),
            Step::Made => self.tell(Fate::Made),
            Step::Failed => self.tell(Fate::Failed),
            Step::Panicked => self.tell(Fate::Panicked),
            Step::Drop(which) if !self.callers.is_empty() => {
                let caller = self.callers.remove(which % self.callers.len());
                self.model.leave(caller.id);
            }
            Step::End(which) if !self.callers.is_empty() => {
                let caller = &self.callers[which % self.callers.len()];
                caller.ctx.cancel("planted");
                let id = caller.id;
                // The one whose turn it is finds it before it finds that its time is over; then its work is ended.
                self.poll(id, Fate::Ended);
            }
            Step::Drop(_) | Step::End(_) => {}
            Step::Set => {
                let free = self.model.value.is_none() && self.model.maker.is_none();
                assert_eq!(self.once.set(id).is_ok(), free);
                self.model.value = self.model.value.or(free.then_some(id));
            }
        }
        self.settle();
        assert_eq!(self.once.get().copied(), self.model.value);
        let working = self.model.maker.filter(|_| self.model.value.is_none());
        assert_eq!(*self.working.lock().unwrap(), working, "{:?}", self.model);
    }

    fn come(&mut self, id: usize) {
        let ctx = Context::root().child();
        let (once, own) = (self.once.clone(), Context::clone(&ctx));
        let (working, told) = (self.working.clone(), self.told.clone());
        let load: Load = Box::pin(async move {
            let work = || {
                let at_work = AtWork::new(working, id);
                poll_fn(move |_| {
                    let _ = &at_work;
                    let fate = told.lock().unwrap().take();
                    match fate {
                        None => Poll::Pending,
                        Some(Fate::Made) => Poll::Ready(Ok(id)),
                        Some(Fate::Failed) => Poll::Ready(Err(())),
                        Some(_) => panic!("planted"),
                    }
                })
            };
            once.get_or_load(&own, work).await.copied()
        });
        let mut poller = poll_by_hand(load);
        match (poller.poll(), self.model.value) {
            (Poll::Ready(Ok(value)), Some(there)) => assert_eq!(value, there),
            (Poll::Pending, None) => {
                self.callers.push(Caller { id, ctx, poller, seen: 0 });
                if self.model.maker.is_none() {
                    self.model.maker = Some(id);
                } else {
                    self.model.line.push_back(id);
                }
            }
            (polled, there) => panic!("{polled:?} where the value is {there:?}"),
        }
    }

    /// Lets the one who makes the value be done.
    fn tell(&mut self, fate: Fate) {
        let Some(id) = self.model.maker.filter(|_| self.model.value.is_none()) else { return };
        *self.told.lock().unwrap() = Some(fate);
        self.poll(id, fate);
    }

    /// Polls one of whom it is known what becomes of it.
    fn poll(&mut self, id: usize, fate: Fate) {
        let at = self.callers.iter().position(|caller| caller.id == id).unwrap();
        let mut caller = self.callers.remove(at);
        let polled = error::catch(|| caller.poller.poll());
        match (fate, polled.map(|polled| polled.map_err(Failed::into_kind))) {
            (Fate::Made, Ok(Poll::Ready(Ok(value)))) => {
                self.model.value = Some(value);
                self.model.maker = None;
                assert_eq!(value, id);
            }
            (Fate::Failed, Ok(Poll::Ready(Err(FailedKind::Callee(())))))
            | (Fate::Panicked, Err(_))
            | (Fate::Ended, Ok(Poll::Ready(Err(FailedKind::Ended(_))))) => self.model.leave(id),
            (fate, other) => panic!("{fate:?}: {other:?}"),
        }
    }

    /// Those who were woken come, until nobody was. Only who has something to come for is woken.
    fn settle(&mut self) {
        while let Some(at) =
            self.callers.iter().position(|caller| caller.poller.wakes() > caller.seen)
        {
            let caller = &mut self.callers[at];
            caller.seen = caller.poller.wakes();
            match (caller.poller.poll(), self.model.value) {
                (Poll::Ready(Ok(value)), Some(there)) => {
                    assert_eq!(value, there);
                    let caller = self.callers.remove(at);
                    self.model.leave(caller.id);
                }
                (Poll::Pending, None) => {
                    assert_eq!(self.model.maker, Some(caller.id), "woken for nothing");
                }
                (polled, there) => panic!("{polled:?} where the value is {there:?}"),
            }
        }
        assert!(self.model.value.is_none() || self.callers.is_empty(), "one was not woken");
    }
}

/// Says whose work runs, while it does.
struct AtWork(Arc<Mutex<Option<usize>>>);

impl AtWork {
    fn new(working: Arc<Mutex<Option<usize>>>, id: usize) -> Self {
        let before = working.lock().unwrap().replace(id);
        assert_eq!(before, None, "two at once");
        Self(working)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = None;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn a_plain_model_of_a_once_says_the_same_after_every_step(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World {
            once: Arc::default(),
            model: Model::default(),
            callers: Vec::new(),
            working: Arc::default(),
            told: Arc::default(),
        };
        for (id, step) in steps.into_iter().enumerate() {
            world.step(step, id);
        }
    }
}
