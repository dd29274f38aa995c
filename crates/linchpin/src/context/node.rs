//! The tree under the contexts: who has ended, when, and who is to be told.
//!
//! A node knows its parents and never its children. Whoever waits leaves itself at every level above that can end, and
//! whoever ends a level tells those who are there. The two cannot miss each other: an end is set and takes the list
//! under one lock, and a waiter first enters the list, then looks for an end.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::task::Wake;

use smallvec::SmallVec;
use tokio_util::sync::CancellationToken;

use super::cause::{Cause, Ended};
use super::watch::{Alarm, Watch};
use crate::shim::atomic::{AtomicU8, Ordering};
use crate::shim::{Fault, Mutex, lock, planted};
use crate::task::wake;
use crate::time::Instant;

/// One place in the tree.
pub(super) struct Node {
    parent: Link,
    role: Role,
    /// The earliest deadline from here to the root.
    deadline: Option<Instant>,
    /// Written once, before [`ENDED`] can be seen, so that a crowd reads it without a lock. Not of `shim`, since who
    /// looks has seen the flag.
    end: OnceLock<End>,
    /// [`ENDED`] or [`WATCHED`]; written under the lock of `watch`.
    state: AtomicU8,
    watch: Mutex<Watch>,
}

/// A pointer to a node; `None` is the root of everything, which never ends.
pub(super) type Link = Option<Arc<Node>>;

/// What a node is there for.
pub(super) enum Role {
    /// It can end by itself.
    Owned,
    /// It can end by itself, and ends with any of these parents beside the first.
    Merged(Box<[Link]>),
    /// It ends with a token of tokio-util.
    Token(CancellationToken),
    /// It carries a value.
    Value(Box<dyn Any + Send + Sync>),
    /// It has its parent's values and nothing else of it.
    Detached,
}

/// How and when a node ended.
#[derive(Clone)]
pub(super) struct End {
    pub(super) ended: Ended,
    at: Instant,
}

const ENDED: u8 = 1;
/// Somebody is to be told of the end.
const WATCHED: u8 = 2;

// ===== impl Node =====

impl Node {
    pub(super) fn new(parent: &Link, role: Role, deadline: Option<Instant>) -> Arc<Self> {
        let node = Arc::new(Self {
            parent: parent.clone(),
            role,
            deadline,
            end: OnceLock::new(),
            state: AtomicU8::new(0),
            watch: Mutex::new(Watch::default()),
        });
        // What is made under an end has ended with it, even if it brings a deadline that is earlier still.
        let inherited = parent.as_ref().and_then(|parent| parent.deadline);
        if deadline.is_some()
            && deadline != inherited
            && node.is_ended()
            && let Some(end) = node.noticed()
        {
            node.finish(end.clone());
        }
        node
    }

    pub(super) fn is_token(&self) -> bool {
        matches!(self.role, Role::Token(_))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether somebody noticed that this node or one above it has ended. One load a level.
    pub(super) fn is_ended(&self) -> bool {
        let mut node = self;
        while !node.has_ended() {
            match (&node.role, &node.parent) {
                (Role::Owned | Role::Value(_), Some(parent)) => node = parent,
                (Role::Owned | Role::Value(_) | Role::Detached, _) => return false,
                (Role::Merged(_) | Role::Token(_), _) => return node.is_ended_by_any(),
            }
        }
        true
    }

    /// The same where there is more than one way up. Kept apart, so that the common way needs no room on the stack.
    #[inline(never)]
    fn is_ended_by_any(&self) -> bool {
        let mut left: SmallVec<[&Self; 8]> = SmallVec::from_slice(&[self]);
        while let Some(node) = left.pop() {
            if node.has_ended() {
                return true;
            }
            match &node.role {
                Role::Owned | Role::Value(_) => {}
                Role::Merged(others) => left.extend(others.iter().flatten().map(|node| &**node)),
                Role::Token(token) if token.is_cancelled() => return true,
                Role::Token(_) | Role::Detached => continue,
            }
            left.extend(node.parent.as_deref());
        }
        false
    }

    fn has_ended(&self) -> bool {
        // Acquire pairs with the release in `finish`: who sees the end sees the cause.
        self.state.load(Ordering::Acquire) & ENDED != 0
    }

    /// How this node ended: the earliest end from here up, or its deadline if that came first.
    ///
    /// Reads the clock if there is a deadline and no end. A deadline that is found to have passed is an end from then
    /// on, for everybody under the node that set it.
    pub(super) fn end(self: &Arc<Self>) -> Option<&End> {
        let noticed = self.noticed();
        let Some(deadline) = self.deadline else { return noticed };
        let passed = match noticed {
            // Nobody had looked at the clock when the other end came.
            Some(end) => deadline <= end.at && self.owner_of_deadline().own_end().is_none(),
            None => deadline <= Instant::now(),
        };
        if !passed {
            return noticed;
        }
        self.owner_of_deadline().finish(End { ended: Cause::Deadline.into(), at: deadline });
        self.noticed()
    }

    /// The earliest end that somebody noticed, from here up.
    pub(super) fn noticed(self: &Arc<Self>) -> Option<&End> {
        self.levels().filter_map(|node| node.own_end()).min_by_key(|end| end.at)
    }

    /// Ends this very node with `cause`, unless it, one above it or its deadline ended it before: the first cause stays.
    pub(super) fn finish_with(self: &Arc<Self>, cause: Cause) {
        let end = match self.end() {
            Some(end) => end.clone(),
            None => End { ended: cause.into(), at: Instant::now() },
        };
        self.finish(end);
    }

    /// Whether the caller's pointer is the only one and nobody waits, so that an end would be news to nobody.
    pub(super) fn is_unseen(self: &Arc<Self>) -> bool {
        if Arc::strong_count(self) != 1 {
            return false;
        }
        // The count of one was read without an order: this pairs with the release of whoever dropped the last clone.
        crate::shim::atomic::fence(Ordering::Acquire);
        self.state.load(Ordering::Relaxed) & WATCHED == 0
    }

    /// The values from here to the root, nearest first.
    pub(super) fn find_value<'a, R>(
        &'a self,
        look: &dyn Fn(&'a (dyn Any + Send + Sync)) -> Option<R>,
    ) -> Option<R> {
        let mut node = Some(self);
        let mut others = Vec::new();
        while let Some(here) = node.or_else(|| others.pop()) {
            match &here.role {
                Role::Value(value) => {
                    if let Some(found) = look(value.as_ref()) {
                        return Some(found);
                    }
                }
                // The first of the others is looked through first.
                Role::Merged(more) => others.extend(more.iter().rev().flatten().map(|n| &**n)),
                Role::Owned | Role::Token(_) | Role::Detached => {}
            }
            node = here.parent.as_deref();
        }
        None
    }

    /// The levels whose end is this node's end, itself first.
    pub(super) fn levels(self: &Arc<Self>) -> Levels<'_> {
        Levels { next: Some(self), others: Vec::new() }
    }

    /// Those of the levels at which one can wait.
    pub(super) fn watchable(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        self.levels().filter(|node| !matches!(node.role, Role::Value(_) | Role::Detached))
    }

    /// Calls `work` with each of them, in their order.
    #[inline]
    pub(super) fn each_watchable(self: &Arc<Self>, mut work: impl FnMut(&Arc<Self>)) {
        let mut node = self;
        loop {
            match &node.role {
                Role::Owned => work(node),
                Role::Value(_) => {}
                // More than one way up, or none.
                Role::Merged(_) | Role::Token(_) | Role::Detached => {
                    return node.watchable().for_each(work);
                }
            }
            match &node.parent {
                Some(parent) => node = parent,
                None => return,
            }
        }
    }

    /// Works on the list of those who wait here, unless this node has ended: then there is none any more, and so
    /// the crowd that an end woke does not queue at its lock to leave.
    #[inline]
    pub(super) fn watch_live<R>(&self, work: impl FnOnce(&mut Watch) -> R) -> Option<R> {
        if self.has_ended() {
            return None;
        }
        let mut watch = lock(&self.watch);
        if self.state.load(Ordering::Relaxed) & ENDED != 0 {
            return None;
        }
        let worked = work(&mut watch);
        self.state.store(if watch.is_empty() { 0 } else { WATCHED }, Ordering::Relaxed);
        Some(worked)
    }

    /// Has an alarm ring when this node must end from outside, while somebody waits: one for all who do.
    ///
    /// `false` if it must be armed again.
    pub(super) fn arm(self: &Arc<Self>) -> bool {
        // None if it has ended, and then nothing is to be armed.
        if self.watch_live(|watch| watch.is_armed()).unwrap_or(true) {
            return true;
        }
        let alarm = match (&self.role, self.deadline) {
            (Role::Token(token), _) => Alarm::token(token),
            (_, Some(deadline)) => Alarm::timer(deadline),
            (_, None) => return true,
        };
        // Outside of the lock: it may ring at once.
        let Some(alarm) = alarm.set(self.clone()) else {
            self.ring();
            return true;
        };
        // What is not kept is dropped here, outside of the lock.
        self.watch_live(|watch| watch.keep(alarm)).is_none_or(|(kept, _unused)| kept)
    }

    /// The node that brought this node's deadline into the tree.
    pub(super) fn owner_of_deadline(self: &Arc<Self>) -> &Arc<Self> {
        let mut owner = self;
        while let (Some(parent), false) = (&owner.parent, matches!(owner.role, Role::Detached)) {
            if parent.deadline != owner.deadline {
                break;
            }
            owner = parent;
        }
        owner
    }

    /// The alarm rang: the time has come, or the runtime that kept the timer is going away before it did.
    fn ring(self: &Arc<Self>) {
        match &self.role {
            Role::Token(token) if token.is_cancelled() => self.finish_with(Cause::Cancelled),
            Role::Token(_) => {}
            // The timer counts milliseconds by another clock than ours: within its tick it is right.
            _ => match self.deadline {
                Some(deadline) if deadline - Instant::now() <= Alarm::TICK => {
                    self.finish(End { ended: Cause::Deadline.into(), at: deadline });
                }
                _ => {
                    let wakers = self.watch_live(Watch::disarm);
                    wake("context", wakers.into_iter().flatten());
                }
            },
        }
    }

    /// This node's own end, as far as somebody noticed.
    fn own_end(&self) -> Option<&End> {
        if !self.has_ended() {
            match &self.role {
                Role::Token(token) if token.is_cancelled() => {
                    self.finish(End { ended: Cause::Cancelled.into(), at: Instant::now() });
                }
                _ => return None,
            }
        }
        self.end.get()
    }

    fn finish(&self, end: End) {
        if planted(Fault::ContextTellsBeforeItEnds) {
            self.watch_live(std::mem::take).unwrap_or_default().tell();
        }
        let told = {
            let mut watch = lock(&self.watch);
            if self.end.get().is_some() {
                return;
            }
            self.end.get_or_init(|| end);
            // Release pairs with the acquire of those who look without the lock.
            self.state.store(ENDED, Ordering::Release);
            std::mem::take(&mut *watch)
        };
        told.tell();
    }
}

impl Wake for Node {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

impl Drop for Node {
    /// Unlinks a long chain of ancestors one by one, where the compiler's own drop would recurse.
    fn drop(&mut self) {
        let mut first = self.parent.take();
        let mut others = self.take_others();
        while let Some(node) = first.or_else(|| others.pop()) {
            first = Arc::into_inner(node).and_then(|mut node| {
                others.extend(node.take_others());
                node.parent.take()
            });
        }
    }
}

impl Node {
    fn take_others(&mut self) -> Vec<Arc<Node>> {
        match &mut self.role {
            Role::Merged(others) => std::mem::take(others).into_iter().flatten().collect(),
            _ => Vec::new(),
        }
    }
}

/// The iterator of [`Node::levels`].
pub(super) struct Levels<'a> {
    next: Option<&'a Arc<Node>>,
    /// Parents of merged nodes that are still to be walked.
    others: Vec<&'a Arc<Node>>,
}

impl<'a> Iterator for Levels<'a> {
    type Item = &'a Arc<Node>;

    fn next(&mut self) -> Option<&'a Arc<Node>> {
        let node = self.next.take().or_else(|| self.others.pop())?;
        if !matches!(node.role, Role::Detached) {
            self.next = node.parent.as_ref();
        }
        if let Role::Merged(others) = &node.role {
            self.others.extend(others.iter().flatten());
        }
        Some(node)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
