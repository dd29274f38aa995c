//! Our side: plays a script on `linchpin::Context`, under tokio's paused time.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as Poller, Wake, Waker};
use std::time::Duration;

use linchpin::Context;
use linchpin::context::{After, Cause, Child};
use linchpin::time::Instant;

use super::Planted;
use super::script::{BY_CALLBACK, Kind, Script, Step};
use super::view::{CallbackView, NodeView, State, View, in_gos_words};

/// Plays `script` and looks at everything after each step.
pub(crate) async fn play(script: &Script, planted: Option<Planted>) -> Vec<View> {
    let mut world = World {
        kind: script.kind,
        planted,
        start: Instant::now(),
        nodes: Vec::new(),
        waiters: Vec::new(),
        callbacks: Vec::new(),
    };
    world.add(Context::root(), None);
    let mut views = Vec::new();
    for step in &script.steps {
        world.step(step).await;
        world.settle();
        views.push(world.view());
    }
    views
}

struct World {
    kind: Kind,
    planted: Option<Planted>,
    start: Instant,
    nodes: Vec<Node>,
    waiters: Vec<Waiter>,
    callbacks: Vec<Callback>,
}

struct Node {
    context: Context,
    /// Shared with the callbacks that end the node; empty once the owner is gone.
    owner: Arc<Mutex<Option<Child>>>,
    /// What a planted fault shows instead of the truth.
    faked: Faked,
}

#[derive(Default)]
struct Faked {
    cause: Option<String>,
    deadline: Option<u64>,
    valueless: bool,
}

struct Callback {
    ran: Arc<AtomicBool>,
    handle: Option<After>,
    stops: Vec<bool>,
}

/// A node's `cancelled()`, polled only when it was woken: a lost wake-up shows as a node that is not done.
struct Waiter {
    future: Option<Pin<Box<dyn Future<Output = Cause>>>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

/// Values are found by type, so each key is a type.
struct Keyed<const KEY: usize>(String);

// ===== impl World =====

impl World {
    async fn step(&mut self, step: &Step) {
        match step {
            Step::WithCancel { node } | Step::WithCancelCause { node } => {
                let child = self.nodes[*node].context.child();
                self.own(child);
            }
            Step::WithTimeout { node, ms, .. } => {
                let child = self.nodes[*node].context.with_timeout(Duration::from_millis(*ms));
                self.own(child);
                self.plant_late(self.elapsed() + ms);
            }
            Step::WithDeadline { node, ms, .. } => {
                let deadline = self.start + Duration::from_millis(*ms);
                let child = self.nodes[*node].context.with_deadline(deadline);
                self.own(child);
                self.plant_late(*ms);
            }
            Step::WithValue { node, key, value } => {
                let context = with_value(&self.nodes[*node].context, *key, value.clone());
                self.add(context, None);
            }
            Step::WithoutCancel { node } => {
                let context = self.nodes[*node].context.detached();
                self.add(context, None);
                let planted = self.planted == Some(Planted::LostValue);
                self.last().faked.valueless = planted;
            }
            Step::Merge { node, other } => {
                let parents = [*node, *other].map(|parent| &self.nodes[parent].context);
                self.own(Context::merge(parents));
            }
            Step::Cancel { node, cause } => {
                let cause = cause.clone().map_or(Cause::Cancelled, Cause::from);
                self.plant_second(*node, &cause);
                end(&self.nodes[*node].owner, cause);
            }
            Step::Drop { node } => drop(self.take(*node)),
            Step::Forget { node } => drop(self.take(*node).map(Child::disarm)),
            Step::Advance { ms } => self.advance(*ms).await,
            Step::After { node, then } => self.after(*node, *then),
            Step::Stop { after } => self.stop(*after),
        }
    }

    /// Go's virtual time stops at each timer and lets everything run that the timer set off. So do we; but where nobody
    /// waits, nobody notices a deadline before `check` does, and time goes all the way at once.
    async fn advance(&mut self, ms: u64) {
        let now = self.elapsed();
        let until = now + ms;
        let mut stops = BTreeSet::from([until]);
        if self.kind != Kind::Looks {
            let deadlines = self.nodes.iter().filter_map(|node| self.deadline(&node.context));
            stops.extend(deadlines.filter(|deadline| (now..until).contains(deadline)));
        }
        for stop in stops {
            tokio::time::advance(Duration::from_millis(stop - self.elapsed())).await;
            self.settle();
        }
    }

    fn after(&mut self, node: usize, then: Option<usize>) {
        let ran = Arc::new(AtomicBool::new(false));
        let (flag, target) = (ran.clone(), then.map(|then| self.nodes[then].owner.clone()));
        let handle = self.nodes[node].context.after(move || {
            flag.store(true, Ordering::SeqCst);
            if let Some(owner) = target {
                end(&owner, BY_CALLBACK.into());
            }
        });
        self.callbacks.push(Callback { ran, handle: Some(handle), stops: Vec::new() });
    }

    /// Our `stop` takes the handle, so that a second call is not even possible; Go's returns false then.
    fn stop(&mut self, after: usize) {
        let callback = &mut self.callbacks[after];
        let mut stopped = callback.handle.take().is_some_and(After::stop);
        stopped |= self.planted == Some(Planted::StopLies);
        callback.stops.push(stopped);
    }

    /// Polls who was woken until nobody is.
    fn settle(&mut self) {
        while self.waiters.iter_mut().map(Waiter::poll_if_woken).fold(false, |any, one| any | one) {
        }
    }

    fn view(&self) -> View {
        let nodes = self.nodes.iter().enumerate();
        View {
            nodes: nodes.map(|(at, node)| self.view_of(at, node)).collect(),
            callbacks: self.callbacks.iter().map(Callback::view).collect(),
        }
    }

    fn view_of(&self, at: usize, node: &Node) -> NodeView {
        let (err, mut cause) = in_gos_words(node.context.cause().as_ref());
        if let Some(faked) = &node.faked.cause {
            cause.clone_from(faked);
        }
        let done = match self.kind {
            Kind::Looks => node.context.check().is_err(),
            _ => self.waiters[at].future.is_none(),
        };
        let deadline = node.faked.deadline.or(self.deadline(&node.context));
        let mut values = [0, 1, 2, 3].map(|key| value(&node.context, key));
        if node.faked.valueless {
            values = Default::default();
        }
        NodeView { err, cause, done, deadline, values }
    }

    fn own(&mut self, child: Child) {
        self.add(Context::clone(&child), Some(child));
    }

    fn add(&mut self, context: Context, owner: Option<Child>) {
        if self.kind != Kind::Looks {
            self.waiters.push(Waiter::new(context.clone()));
        }
        let owner = Arc::new(Mutex::new(owner));
        self.nodes.push(Node { context, owner, faked: Faked::default() });
    }

    fn take(&self, node: usize) -> Option<Child> {
        self.nodes[node].owner.lock().unwrap().take()
    }

    fn last(&mut self) -> &mut Node {
        self.nodes.last_mut().expect("there is always the root")
    }

    fn elapsed(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    fn deadline(&self, context: &Context) -> Option<u64> {
        context.deadline().map(|deadline| (deadline - self.start).as_millis() as u64)
    }

    // ===== planted faults =====

    fn plant_second(&mut self, node: usize, cause: &Cause) {
        let node = &mut self.nodes[node];
        if self.planted == Some(Planted::SecondCause) && node.context.cause().is_some() {
            node.faked.cause = Some(in_gos_words(Some(cause)).1);
        }
    }

    fn plant_late(&mut self, ms: u64) {
        if self.planted == Some(Planted::LateDeadline) {
            self.last().faked.deadline = Some(ms);
        }
    }
}

// ===== impl Waiter =====

impl Waiter {
    fn new(context: Context) -> Self {
        let future: Pin<Box<dyn Future<Output = Cause>>> =
            Box::pin(async move { context.cancelled().await });
        // The first poll registers it.
        Self { future: Some(future), woken: Arc::new(Woken(AtomicBool::new(true))) }
    }

    fn poll_if_woken(&mut self) -> bool {
        let Some(future) = &mut self.future else { return false };
        if !self.woken.0.swap(false, Ordering::SeqCst) {
            return false;
        }
        let waker = Waker::from(self.woken.clone());
        if future.as_mut().poll(&mut Poller::from_waker(&waker)).is_ready() {
            self.future = None;
        }
        true
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Callback {
    fn view(&self) -> CallbackView {
        let state = match (self.ran.load(Ordering::SeqCst), self.stops.contains(&true)) {
            (true, _) => State::Ran,
            (false, true) => State::Stopped,
            (false, false) => State::Pending,
        };
        CallbackView { state, stops: self.stops.clone() }
    }
}

fn end(owner: &Mutex<Option<Child>>, cause: Cause) {
    if let Some(child) = &*owner.lock().unwrap() {
        child.cancel(cause);
    }
}

fn with_value(context: &Context, key: usize, value: String) -> Context {
    match key {
        0 => context.with_value(Keyed::<0>(value)),
        1 => context.with_value(Keyed::<1>(value)),
        2 => context.with_value(Keyed::<2>(value)),
        _ => context.with_value(Keyed::<3>(value)),
    }
}

fn value(context: &Context, key: usize) -> String {
    let found = match key {
        0 => context.get::<Keyed<0>>().map(|keyed| &keyed.0),
        1 => context.get::<Keyed<1>>().map(|keyed| &keyed.0),
        2 => context.get::<Keyed<2>>().map(|keyed| &keyed.0),
        _ => context.get::<Keyed<3>>().map(|keyed| &keyed.0),
    };
    found.cloned().unwrap_or_default()
}
