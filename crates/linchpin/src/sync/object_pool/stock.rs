//! What a pool keeps of one kind: a few for each thread, the rest on a shelf for all.
//!
//! A thread takes from its own and gives back to it. Where it has none it fetches some from the shelf, half a stack at
//! once; where it has enough it carries half a stack there. So threads of which some take and others give meet at the shelf
//! every so often, not each time.

use std::thread;

use crossbeam_utils::CachePadded;
use smallvec::SmallVec;

use super::budget::Budget;
use super::seats::{Seats, Traffic};
use crate::shim::atomic::AtomicU64;
use crate::shim::atomic::Ordering::Relaxed;
use crate::shim::{Mutex, lock};
use crate::sync::seat::{self, Mine};

/// What the stock cannot know of what it keeps.
pub(crate) trait Keeper<T> {
    /// What may lie on the shelf.
    fn budget(&self) -> &Budget;

    /// How many bytes it has; `None` if it should not be kept.
    fn weigh(&self, object: &T) -> Option<usize>;

    /// Drops what is not kept.
    fn discard(&self, object: Box<T>);
}

pub(crate) struct Stock<T> {
    seats: Seats<T>,
    shelf: Mutex<Vec<Shelved<T>>>,
    /// How often all was cleared. A thread that is in an earlier era drops what it keeps.
    era: AtomicU64,
    /// How many a thread keeps beside the hot one.
    stack: usize,
    /// The traffic of those without a seat here.
    others: CachePadded<Traffic>,
}

struct Shelved<T> {
    object: Box<T>,
    bytes: usize,
}

impl<T> Stock<T> {
    /// With seats for as many threads as this machine usually has.
    pub(crate) fn usual(per_thread: usize) -> Self {
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::new((processors * 4).clamp(16, seat::SEATS), per_thread)
    }

    pub(crate) fn new(seats: usize, per_thread: usize) -> Self {
        Self {
            seats: Seats::new(if per_thread == 0 { 0 } else { seats }),
            shelf: Mutex::new(Vec::new()),
            era: AtomicU64::new(0),
            stack: per_thread.saturating_sub(1),
            others: CachePadded::new(Traffic::default()),
        }
    }

    /// Takes what this thread had last, if it is there. It may not have asked for a seat yet.
    #[inline]
    pub(crate) fn take_hot(&self, mine: Mine) -> Option<Box<T>> {
        self.seats.take_hot(mine, self.era.load(Relaxed))
    }

    /// Has one back as the one that this thread had last, if there is none.
    #[inline]
    pub(crate) fn give_hot(&self, mine: Mine, object: Box<T>) -> Result<(), Box<T>> {
        self.seats.put_hot(mine, self.era.load(Relaxed), object)
    }

    /// Takes one, if any is kept for this thread or for all.
    pub(crate) fn take(&self, mine: Mine, keeper: &impl Keeper<T>) -> Option<Box<T>> {
        let era = self.era.load(Relaxed);
        let own = self.seats.take_hot(mine, era).or_else(|| self.seats.pop(mine, era));
        own.or_else(|| self.fetch(mine, keeper))
    }

    /// Has one back, and keeps it if there is room.
    pub(crate) fn give(&self, mine: Mine, object: Box<T>, keeper: &impl Keeper<T>) {
        let era = self.era.load(Relaxed);
        let put = self.seats.put_hot(mine, era, object);
        if let Err(object) = put.or_else(|object| self.seats.push(mine, era, object)) {
            self.shelve(mine, object, keeper);
        }
    }

    /// Counts one that was taken, and was not kept here.
    pub(crate) fn count_taken(&self, mine: Mine) {
        if !self.seats.count_taken(mine) {
            self.others.taken.fetch_add(1, Relaxed);
        }
    }

    /// Counts one that came back, and will not be kept.
    pub(crate) fn count_given(&self, mine: Mine) {
        if !self.seats.count_given(mine) {
            self.others.given.fetch_add(1, Relaxed);
        }
    }

    /// Drops all that is kept for all and for this thread; the others drop theirs when they come.
    pub(crate) fn clear(&self, mine: Mine, keeper: &impl Keeper<T>) {
        self.era.fetch_add(1, Relaxed);
        let shelved = std::mem::take(&mut *lock(&self.shelf));
        keeper.budget().free(shelved.len(), shelved.iter().map(|shelved| shelved.bytes).sum());
        for shelved in shelved {
            keeper.discard(shelved.object);
        }
        _ = self.enter(mine, keeper);
    }

    /// How many came back and how many were taken. Read in this order, so that none seems to have come back before it was
    /// taken.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let traffic = || self.seats.traffic().chain([&*self.others]);
        let given = traffic().map(|traffic| traffic.given.load(Relaxed)).sum();
        (given, traffic().map(|traffic| traffic.taken.load(Relaxed)).sum())
    }

    /// All that is kept, by whomever.
    pub(crate) fn into_all(self) -> impl Iterator<Item = Box<T>> {
        let shelved = std::mem::take(&mut *lock(&self.shelf));
        shelved.into_iter().map(|shelved| shelved.object).chain(self.seats.into_all())
    }

    /// Takes one from the shelf, and some more for the next times.
    #[inline(never)]
    fn fetch(&self, mine: Mine, keeper: &impl Keeper<T>) -> Option<Box<T>> {
        self.count_taken(mine);
        _ = self.enter(mine, keeper);
        let (mut objects, mut bytes) = (0, 0);
        let mut shelf = lock(&self.shelf);
        let mut next = std::iter::from_fn(|| {
            let Shelved { object, bytes: its } = shelf.pop()?;
            (objects, bytes) = (objects + 1, bytes + its);
            Some(object)
        });
        let object = next.next()?;
        self.seats.refill(mine, &mut next);
        drop(shelf);
        keeper.budget().free(objects, bytes);
        Some(object)
    }

    /// Keeps one for all, and half of what this thread keeps, as far as there is room.
    #[inline(never)]
    fn shelve(&self, mine: Mine, object: Box<T>, keeper: &impl Keeper<T>) {
        if self.enter(mine, keeper) {
            // There is a stack now, or an empty one.
            return self.give(mine, object, keeper);
        }
        self.count_given(mine);
        let book = |object: Box<T>| match keeper.weigh(&object) {
            Some(bytes) if keeper.budget().book(bytes) => Ok(Shelved { object, bytes }),
            _ => Err(object),
        };
        let mut goes: SmallVec<[Shelved<T>; 9]> = SmallVec::new();
        match book(object) {
            Ok(shelved) => goes.push(shelved),
            Err(object) => return keeper.discard(object),
        }
        for object in self.seats.take_half(mine) {
            match book(object) {
                Ok(shelved) => goes.push(shelved),
                Err(object) => {
                    if let Some(object) = self.seats.push_back(mine, object) {
                        keeper.discard(object);
                    }
                }
            }
        }
        lock(&self.shelf).extend(goes);
    }

    /// Drops what this thread keeps from before the last clearing; whether there was anything to be done, which is once.
    fn enter(&self, mine: Mine, keeper: &impl Keeper<T>) -> bool {
        let stale = self.seats.enter(mine, self.era.load(Relaxed), self.stack);
        let entered = stale.is_some();
        stale.into_iter().flatten().for_each(|object| keeper.discard(object));
        entered
    }
}
