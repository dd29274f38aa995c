//! Our side: plays a script on `linchpin::sync`, under tokio's paused time.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use linchpin::context::Child;
use linchpin::resilience::{Failed, FailedKind};
use linchpin::sync::semaphore::{self, Permit, Semaphore};
use linchpin::sync::singleflight::{self, Group};
use linchpin::task::{self, Task};
use linchpin::{Context, time::Instant};
use linchpin_testing::steps::settle;

use super::script::{Fate, Script, Step};
use super::{Planted, View};

/// Plays `script` and looks at all callers after each step.
pub(crate) async fn play(script: &Script, planted: Option<Planted>) -> Vec<View> {
    let overtaking = if planted == Some(Planted::Overtaking) { 8 } else { 0 };
    let most = if planted == Some(Planted::FewShare) { 1 } else { usize::MAX - 1 };
    let options = semaphore::Options::default().overtaking(overtaking);
    let flights = singleflight::Options::default().max_waiting(most).max_flight(None);
    let mut world = World {
        semaphore: Semaphore::new(script.size, options).expect("it has permits"),
        flights: Group::new(flights).expect("somebody may wait"),
        planted,
        start: Instant::now(),
        callers: BTreeMap::new(),
        tasks: Vec::new(),
    };
    let mut views = Vec::new();
    for step in &script.steps {
        world.step(*step).await;
        settle().await;
        views.push(world.view());
    }
    views
}

struct World {
    semaphore: Semaphore,
    flights: Group<&'static str, usize, usize>,
    planted: Option<Planted>,
    start: Instant,
    callers: BTreeMap<usize, Caller>,
    /// In which callers wait.
    tasks: Vec<Task<()>>,
}

struct Caller {
    shared: Arc<Mutex<State>>,
    permits: usize,
    ctx: Child,
    deadline: Option<u64>,
}

/// What a caller came to, and what its work is told.
#[derive(Default)]
struct State {
    came_to: Option<CameTo>,
    called: bool,
    told: Option<Fate>,
    waker: Option<Waker>,
}

enum CameTo {
    Granted { _permit: Permit },
    Refused,
    Ended,
    Released,
    Value(usize),
    Error(usize),
    Panicked,
}

impl World {
    async fn step(&mut self, step: Step) {
        match step {
            Step::Acquire { id, n, ms, done } => self.acquire(id, n, ms, done),
            Step::Try { id, n } => {
                let came_to = match self.semaphore.try_acquire_owned(n) {
                    Ok(permit) => CameTo::Granted { _permit: permit },
                    Err(_) => CameTo::Refused,
                };
                let state = State { came_to: Some(came_to), ..State::default() };
                self.comes(id, Caller::new(state, n, Context::root().child()));
            }
            Step::Release { id } => {
                let Some(caller) = self.callers.get(&id) else { return };
                let mut state = lock(&caller.shared);
                if matches!(state.came_to, Some(CameTo::Granted { .. })) {
                    state.came_to = Some(CameTo::Released);
                }
            }
            Step::Cancel { id } => self.cancel(id),
            Step::Advance { ms } => self.advance(ms).await,
            Step::Do { id, key } => self.call(id, key),
            Step::Finish { id, fate } => {
                let Some(caller) = self.callers.get(&id) else { return };
                let mut state = lock(&caller.shared);
                if state.called && state.told.is_none() {
                    state.told = Some(fate);
                    state.waker.take().into_iter().for_each(Waker::wake);
                }
            }
            Step::Forget { key } => {
                if self.planted != Some(Planted::ForgetNothing) {
                    self.flights.forget(key);
                }
            }
        }
    }

    fn acquire(&mut self, id: usize, permits: usize, ms: u64, done: bool) {
        let ctx = match ms {
            0 => Context::root().child(),
            ms => Context::root().with_timeout(Duration::from_millis(ms)),
        };
        if done {
            ctx.cancel("done");
        }
        let mut caller = Caller::new(State::default(), permits, ctx);
        caller.deadline = Some(self.elapsed() + ms).filter(|_| ms > 0);
        let (semaphore, own) = (self.semaphore.clone(), Context::clone(&caller.ctx));
        let shared = caller.shared.clone();
        self.tasks.push(task::spawn("caller", async move {
            let came_to = match semaphore.acquire_owned(&own, permits).await {
                Ok(permit) => CameTo::Granted { _permit: permit },
                Err(_) => CameTo::Ended,
            };
            lock(&shared).came_to = Some(came_to);
        }));
        self.comes(id, caller);
    }

    fn cancel(&mut self, id: usize) {
        let Some(caller) = self.callers.get(&id) else { return };
        let waited = caller.permits > 0 && lock(&caller.shared).came_to.is_none();
        caller.ctx.cancel("cancelled");
        if waited && self.planted == Some(Planted::LostPermit) {
            // The last stays: a semaphore has one.
            let less = self.semaphore.limit() - 1;
            drop(self.semaphore.resize(less));
        }
    }

    /// Go's virtual time stops at each timer and lets everything run that it set off. So do we.
    async fn advance(&mut self, ms: u64) {
        let until = self.elapsed() + ms;
        let mut stops: Vec<u64> = self.callers.values().filter_map(|one| one.deadline).collect();
        stops.retain(|stop| (self.elapsed()..until).contains(stop));
        stops.push(until);
        stops.sort_unstable();
        for stop in stops {
            tokio::time::advance(Duration::from_millis(stop - self.elapsed())).await;
            settle().await;
        }
    }

    fn call(&mut self, id: usize, key: &'static str) {
        let caller = Caller::new(State::default(), 0, Context::root().child());
        let (group, shared) = (self.flights.clone(), caller.shared.clone());
        self.tasks.push(task::spawn("caller", async move {
            let state = shared.clone();
            let work = move |_: singleflight::Flight<'_>| {
                lock(&state).called = true;
                poll_fn(move |cx| {
                    let mut state = lock(&state);
                    state.waker = Some(cx.waker().clone());
                    let told = state.told;
                    drop(state);
                    match told {
                        None => Poll::Pending,
                        Some(Fate::Value) => Poll::Ready(Ok(id)),
                        Some(Fate::Error) => Poll::Ready(Err(id)),
                        Some(Fate::Panic) => std::panic::resume_unwind(Box::new("planted")),
                    }
                })
            };
            let outcome = group.run(&Context::root(), key, work).await;
            let came_to = match outcome.map_err(Failed::into_kind) {
                Ok(of) => CameTo::Value(of),
                Err(FailedKind::Callee(of)) => CameTo::Error(of),
                Err(FailedKind::Panicked(_)) => CameTo::Panicked,
                Err(_) => CameTo::Ended,
            };
            lock(&shared).came_to = Some(came_to);
        }));
        self.comes(id, caller);
    }

    fn comes(&mut self, id: usize, caller: Caller) {
        self.callers.insert(id, caller);
    }

    fn elapsed(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    fn view(&self) -> View {
        // Go tells each caller whether its result was shared; here it is seen by how many got the same.
        let mut got: BTreeMap<usize, usize> = BTreeMap::new();
        for caller in self.callers.values() {
            if let Some(CameTo::Value(of) | CameTo::Error(of)) = lock(&caller.shared).came_to {
                *got.entry(of).or_default() += 1;
            }
        }
        let shared = |of: &usize| got[of] > 1;
        let callers = self.callers.iter();
        callers
            .map(|(id, caller)| {
                let state = lock(&caller.shared);
                let came_to = match &state.came_to {
                    None => "waits".to_owned(),
                    Some(CameTo::Granted { .. }) => "granted".to_owned(),
                    Some(CameTo::Refused) => "refused".to_owned(),
                    Some(CameTo::Ended) => "ended".to_owned(),
                    Some(CameTo::Released) => "released".to_owned(),
                    Some(CameTo::Value(of)) => format!("value of {of}, shared {}", shared(of)),
                    Some(CameTo::Error(of)) => format!("error of {of}, shared {}", shared(of)),
                    Some(CameTo::Panicked) => "panicked".to_owned(),
                };
                let called = if state.called { " called" } else { "" };
                format!("{id}{called} {came_to}")
            })
            .collect()
    }
}

impl Caller {
    fn new(state: State, permits: usize, ctx: Child) -> Self {
        Self { shared: Arc::new(Mutex::new(state)), permits, ctx, deadline: None }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
