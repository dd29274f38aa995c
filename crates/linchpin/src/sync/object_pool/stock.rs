//! What a pool keeps, of one kind or several: a few for each thread, the rest on a shelf for all.
//!
//! A thread takes from its own and gives back to it. Where it has none it fetches some from the shelf, half a drawer at
//! once; where it has enough it carries half a drawer there. So threads of which some take and others give meet at the
//! shelf every so often, not each time.

use std::thread;

use crossbeam_utils::CachePadded;
use smallvec::SmallVec;

use super::budget::Budget;
use super::seats::{Seats, Traffic};
use crate::shim::atomic::Ordering::Relaxed;
use crate::shim::{Fault, Mutex, lock, planted};
use crate::sync::seat::{self, Mine};

/// What the stock cannot know of what it keeps.
pub(crate) trait Keeper<T> {
    /// What may lie on the shelves.
    fn budget(&self) -> &Budget;

    /// How many bytes it has; `None` if it should not be kept.
    fn weigh(&self, object: &T) -> Option<usize>;

    /// Drops what is not kept.
    fn discard(&self, object: Box<T>);
}

pub(crate) struct Stock<T> {
    seats: Seats<T>,
    kinds: Box<[Kind<T>]>,
    /// The traffic of those without a seat here.
    others: CachePadded<Traffic>,
}

struct Kind<T> {
    /// How many a thread keeps.
    per_thread: usize,
    shelf: Mutex<Vec<Shelved<T>>>,
}

struct Shelved<T> {
    object: Box<T>,
    bytes: usize,
}

impl<T> Stock<T> {
    /// With seats for as many threads as this machine usually has, each of which keeps so many of each kind.
    pub(crate) fn usual(per_thread: &[usize]) -> Self {
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::new((processors * 4).clamp(16, seat::SEATS), per_thread)
    }

    pub(crate) fn new(seats: usize, per_thread: &[usize]) -> Self {
        let kind = |&per_thread: &usize| Kind { per_thread, shelf: Mutex::new(Vec::new()) };
        let keeps_any = per_thread.iter().any(|count| *count > 0);
        Self {
            seats: Seats::new(if keeps_any { seats } else { 0 }),
            kinds: per_thread.iter().map(kind).collect(),
            others: CachePadded::new(Traffic::default()),
        }
    }

    /// Takes what this thread had last of that kind, if it keeps any. It may not have asked for a seat yet.
    #[inline]
    pub(crate) fn take_own(&self, mine: Mine, kind: usize) -> Option<Box<T>> {
        self.seats.pop(mine, kind)
    }

    /// Has one back for this thread, if it keeps more of that kind. It comes out again if there is no such kind.
    #[inline]
    pub(crate) fn give_own(&self, mine: Mine, kind: usize, object: Box<T>) -> Result<(), Box<T>> {
        self.seats.push(mine, kind, object)
    }

    /// Takes one, if any is kept for this thread or for all.
    pub(crate) fn take(&self, mine: Mine, kind: usize, keeper: &impl Keeper<T>) -> Option<Box<T>> {
        self.take_own(mine, kind).or_else(|| self.fetch(mine, kind, keeper))
    }

    /// Has one back, and keeps it if there is room.
    pub(crate) fn give(&self, mine: Mine, kind: usize, object: Box<T>, keeper: &impl Keeper<T>) {
        if let Err(object) = self.give_own(mine, kind, object) {
            self.shelve(mine, kind, object, keeper);
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
        // Before the shelves, as a thread that carries something there looks at the mark under the lock.
        if !planted(Fault::PoolClearsBeforeItSays) {
            self.seats.mark_stale();
        }
        for kind in &self.kinds {
            let shelved = std::mem::take(&mut *lock(&kind.shelf));
            keeper.budget().free(shelved.len(), shelved.iter().map(|shelved| shelved.bytes).sum());
            for shelved in shelved {
                keeper.discard(shelved.object);
            }
        }
        if planted(Fault::PoolClearsBeforeItSays) {
            self.seats.mark_stale();
        }
        self.drop_stale(mine, keeper);
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
        let shelved =
            self.kinds.into_iter().flat_map(|kind| std::mem::take(&mut *lock(&kind.shelf)));
        shelved.map(|shelved| shelved.object).chain(self.seats.into_all())
    }

    /// Takes one from the shelf, and some more for the next times.
    #[inline(never)]
    fn fetch(&self, mine: Mine, kind: usize, keeper: &impl Keeper<T>) -> Option<Box<T>> {
        self.count_taken(mine);
        self.settle(mine, kind, keeper);
        let (mut objects, mut bytes) = (0, 0);
        let place = &self.kinds[kind].shelf;
        let mut shelf = lock(place);
        if planted(Fault::PoolPutsTheShelfBackLater) {
            let mut all = std::mem::take(&mut *shelf);
            drop(shelf);
            let taken = all.pop();
            *lock(place) = all;
            return taken.map(|shelved| shelved.object);
        }
        let mut next = std::iter::from_fn(|| {
            let Shelved { object, bytes: its } = shelf.pop()?;
            (objects, bytes) = (objects + 1, bytes + its);
            Some(object)
        });
        let object = next.next()?;
        self.seats.refill(mine, kind, &mut next);
        drop(shelf);
        keeper.budget().free(objects, bytes);
        Some(object)
    }

    /// Keeps one for all, and half of what this thread keeps, as far as there is room.
    #[inline(never)]
    fn shelve(&self, mine: Mine, kind: usize, object: Box<T>, keeper: &impl Keeper<T>) {
        if self.settle(mine, kind, keeper) {
            // There is a drawer now, or an empty one.
            return self.give(mine, kind, object, keeper);
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
        for object in self.seats.take_half(mine, kind) {
            match book(object) {
                Ok(shelved) => goes.push(shelved),
                Err(object) => {
                    if let Some(object) = self.seats.push_back(mine, kind, object) {
                        keeper.discard(object);
                    }
                }
            }
        }
        let mut shelf = lock(&self.kinds[kind].shelf);
        // What was on its way while all was cleared is cleared, too.
        if !self.seats.is_stale(mine) {
            return shelf.extend(goes);
        }
        drop(shelf);
        keeper.budget().free(goes.len(), goes.iter().map(|shelved| shelved.bytes).sum());
        goes.into_iter().for_each(|shelved| keeper.discard(shelved.object));
    }

    /// Drops what was cleared and opens this thread's drawer; whether there was anything to be done, which is once.
    fn settle(&self, mine: Mine, kind: usize, keeper: &impl Keeper<T>) -> bool {
        let dropped = self.drop_stale(mine, keeper);
        let opened = self.seats.open(mine, kind, self.kinds.len(), self.kinds[kind].per_thread);
        dropped || opened
    }

    /// Drops what this thread keeps, if all was cleared.
    fn drop_stale(&self, mine: Mine, keeper: &impl Keeper<T>) -> bool {
        let stale = self.seats.take_stale(mine);
        let was_stale = stale.is_some();
        stale.into_iter().flatten().for_each(|object| keeper.discard(object));
        was_stale
    }
}
