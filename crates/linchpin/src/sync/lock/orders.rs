//! In which orders locks are taken: a graph without circles.
//!
//! An order that would close a circle is told and not added, so that the first order seen is the one that counts and
//! what is found later does not depend on a mistake that is known.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use super::report::{LockKind, Order, Taken};

/// What is ordered: kinds of locks; single locks within a kind, and those of no kind.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Node {
    Kind(usize),
    Lock(u64),
}

/// The numbers of kinds.
#[derive(Default)]
struct Kinds {
    numbers: HashMap<LockKind, usize>,
    /// The same by the address of what is said, which is quicker to look up than all of its text.
    said: HashMap<(usize, usize), Option<usize>>,
}

/// What an order is.
#[derive(Debug)]
pub(super) enum Seen {
    Known,
    New,
    /// It closes a circle with the orders that follow it. Not `first` if it was told before.
    Circle {
        path: Vec<Order>,
        first: bool,
    },
}

#[derive(Default)]
struct Orders {
    kinds: Kinds,
    nodes: HashMap<Node, Links>,
    told: HashSet<(Node, Node)>,
    /// How many orders of single locks there are.
    single: usize,
}

#[derive(Default)]
struct Links {
    /// What was taken while this was held, with the first occasion.
    after: HashMap<Node, Order>,
    before: HashSet<Node>,
}

/// Orders between kinds are as few as a program has lines; those of single locks may be as many as pairs of locks.
const MOST_SINGLE: usize = 4_096;

static ORDERS: LazyLock<Mutex<Orders>> = LazyLock::new(Mutex::default);
/// As in [`Orders`], to be read by a lock that is dropped: it has seen the orders of its own that others noted.
static SINGLE: AtomicUsize = AtomicUsize::new(0);

/// Takes in that a thread that holds one lock is about to wait for another; `order` says it in full.
pub(super) fn note(
    held: &Taken,
    then: &Taken,
    by_lock: bool,
    order: impl FnOnce(Taken) -> Order,
) -> Seen {
    let mut orders = every_order();
    let kinds = [held, then].map(|taken| orders.kinds.of(taken));
    let by_lock = by_lock || kinds[0] == kinds[1];
    let node = |taken: &Taken, kind: Option<usize>| match kind {
        Some(kind) if !by_lock => Node::Kind(kind),
        _ => Node::Lock(taken.number),
    };
    let edge = (node(held, kinds[0]), node(then, kinds[1]));
    let seen = orders.note(edge, || order(*held));
    SINGLE.store(orders.single + orders.told.len(), Relaxed);
    seen
}

/// The lock of that number is gone.
pub(super) fn forget(lock: u64) {
    if SINGLE.load(Relaxed) > 0 {
        every_order().forget(Node::Lock(lock));
    }
}

fn every_order() -> MutexGuard<'static, Orders> {
    ORDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

// ===== impl Node, Kinds, Orders =====

impl Node {
    fn is_lock(self) -> bool {
        matches!(self, Self::Lock(_))
    }
}

impl Kinds {
    fn of(&mut self, taken: &Taken) -> Option<usize> {
        let made = ptr::from_ref(taken.made).addr();
        // A line has no length, and a name that is empty says nothing: so the two never look alike.
        let said = taken.name.map_or((made, 0), |name| (name.as_ptr().addr(), name.len()));
        *self.said.entry(said).or_insert_with(|| {
            let next = self.numbers.len();
            taken.kind().map(|kind| *self.numbers.entry(kind).or_insert(next))
        })
    }
}

impl Orders {
    fn note(&mut self, (from, to): (Node, Node), order: impl FnOnce() -> Order) -> Seen {
        let is_after = |from: &Node, to: &Node| {
            self.nodes.get(from).is_some_and(|links| links.after.contains_key(to))
        };
        if is_after(&from, &to) {
            return Seen::Known;
        }
        if let Some(mut path) = self.path(to, from) {
            path.insert(0, order());
            return Seen::Circle { path, first: self.told.insert((from, to)) };
        }
        if from.is_lock() || to.is_lock() {
            if self.single == MOST_SINGLE {
                self.forget_all_locks();
            }
            self.single += 1;
        }
        self.nodes.entry(from).or_default().after.insert(to, order());
        self.nodes.entry(to).or_default().before.insert(from);
        Seen::New
    }

    /// A shortest way from one to the other.
    fn path(&self, from: Node, to: Node) -> Option<Vec<Order>> {
        let mut came_from: HashMap<Node, (Node, &Order)> = HashMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            if node == to {
                let step = |at: &Node| came_from.get(at).copied();
                let back = std::iter::successors(step(&to), |(before, _)| step(before));
                let mut path: Vec<Order> = back.map(|(_, order)| order.clone()).collect();
                path.reverse();
                return Some(path);
            }
            for (next, order) in self.nodes.get(&node).into_iter().flat_map(|links| &links.after) {
                if *next != from && !came_from.contains_key(next) {
                    came_from.insert(*next, (node, order));
                    queue.push_back(*next);
                }
            }
        }
        None
    }

    fn forget(&mut self, node: Node) {
        self.told.retain(|(from, to)| *from != node && *to != node);
        let Some(links) = self.nodes.remove(&node) else { return };
        self.single -= links.after.len() + links.before.len();
        for after in links.after.keys() {
            self.unlink(*after, |links| _ = links.before.remove(&node));
        }
        for before in &links.before {
            self.unlink(*before, |links| _ = links.after.remove(&node));
        }
    }

    /// Takes something from the links of `node`, and `node` itself out if it has no others.
    fn unlink(&mut self, node: Node, take: impl FnOnce(&mut Links)) {
        if let Some(links) = self.nodes.get_mut(&node) {
            take(links);
            if links.after.is_empty() && links.before.is_empty() {
                self.nodes.remove(&node);
            }
        }
    }

    fn forget_all_locks(&mut self) {
        self.nodes.retain(|node, _| !node.is_lock());
        for links in self.nodes.values_mut() {
            links.after.retain(|node, _| !node.is_lock());
            links.before.retain(|node| !node.is_lock());
        }
        self.told.retain(|(from, to)| !from.is_lock() && !to.is_lock());
        self.single = 0;
    }
}
