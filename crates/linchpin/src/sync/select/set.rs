//! Many waits of one kind that come and go.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::hash::{BuildHasher as _, Hash};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll, Waker};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::woken::{Bell, Woken};
use crate::context::{Context, Ended};

/// A set of futures with a key each, of which the [`next`](Self::next) that is ready is waited for.
///
/// Go's `reflect.Select`, without building the list of cases anew for each wait: only those that were woken are polled.
/// None starves the others, since they come in the order in which they were woken. Nothing in the set runs while
/// nobody waits for the next; for work that goes on meanwhile use a [`Group`](crate::task::Group).
///
/// A future that comes takes the memory of one that went; a set that has become empty keeps that of a few.
///
/// ```
/// # use linchpin::{Context, sync::select::Set};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let mut calls = Set::new();
/// let (slow, quick) = (tokio::sync::oneshot::channel(), tokio::sync::oneshot::channel());
/// calls.insert("slow", slow.1);
/// calls.insert("quick", quick.1);
/// quick.0.send(2).unwrap();
/// assert_eq!(calls.next(&Context::root()).await?, Some(("quick", Ok(2))));
/// calls.remove(&"slow");
/// assert_eq!(calls.next(&Context::root()).await?, None);
/// # Ok(())
/// # }
/// ```
pub struct Set<K, F> {
    rows: Vec<Row<K, F>>,
    /// The rows that nobody has.
    free: Vec<u32>,
    /// The rows by their keys.
    keys: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Whose turn it is to be polled: those that came and those that were woken, in that order. Some may have left.
    turn: VecDeque<u32>,
    woken: Arc<Woken>,
}

struct Row<K, F> {
    /// `None` if nobody has it.
    key: Option<(K, u64)>,
    seat: Option<Seat<F>>,
}

/// The memory of a future.
struct Seat<F> {
    future: Pin<Box<Option<F>>>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// Rows, and free seats beyond as many as are taken, that an idle set keeps.
const KEPT: usize = 16;

impl<K: Eq + Hash, F: Future> Set<K, F> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self {
            rows: Vec::new(),
            free: Vec::new(),
            keys: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            turn: VecDeque::new(),
            woken: Woken::new(),
        }
    }

    /// Puts a future in. `true` if it took the place of another of the same key, which is dropped.
    pub fn insert(&mut self, key: K, future: F) -> bool {
        let hash = self.hasher.hash_one(&key);
        let before = self.unlist(&key, hash);
        // Those that were woken before it came go before it.
        self.woken.take(&mut self.turn);
        let place = self.seat(key, hash, future);
        self.turn.push_back(place);
        before.map(|before| self.clear(before)).is_some()
    }

    /// Removes a future and drops it. `true` if it was there.
    pub fn remove(&mut self, key: &K) -> bool {
        let place = self.unlist(key, self.hasher.hash_one(key));
        place.map(|place| self.clear(place)).is_some()
    }

    /// Waits for the next that is ready, which leaves the set; `None` if the set is empty.
    ///
    /// # Errors
    ///
    /// [`Ended`] when the context ends first.
    ///
    /// # Panics
    ///
    /// A panic of a future is the caller's; that future has left the set.
    ///
    /// # Cancel safety
    ///
    /// Safe: what is in the set stays there, as far as it got.
    pub async fn next(&mut self, ctx: &Context) -> Result<Option<(K, F::Output)>, Ended> {
        ctx.run(poll_fn(|cx| self.poll_next(cx))).await
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether one of this key is there.
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.keys.find(self.hasher.hash_one(key), |place| self.has(*place, key)).is_some()
    }

    fn poll_next(&mut self, cx: &mut Poller<'_>) -> Poll<Option<(K, F::Output)>> {
        // Those that wake themselves all the time let others run, too.
        let mut left = self.len();
        if left == 0 {
            return Poll::Ready(None);
        }
        loop {
            self.woken.take(&mut self.turn);
            let Some(place) = self.turn.pop_front() else {
                if self.woken.wait(cx.waker()) {
                    return Poll::Pending;
                }
                continue;
            };
            let Some(seat) = self.rows.get_mut(place as usize).and_then(|row| row.seat.as_mut())
            else {
                continue;
            };
            let Some(future) = seat.future.as_mut().as_pin_mut() else { continue };
            if left == 0 {
                self.turn.push_front(place);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            left -= 1;
            seat.bell.still();
            // Caught, so that the set knows who is gone before the panic goes on.
            let mut cx = Poller::from_waker(&seat.waker);
            match catch_unwind(AssertUnwindSafe(|| future.poll(&mut cx))) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(output)) => {
                    return Poll::Ready(self.leave(place).map(|key| (key, output)));
                }
                Err(payload) => {
                    self.leave(place);
                    resume_unwind(payload);
                }
            }
        }
    }

    /// Takes the row out of the list of keys.
    fn unlist(&mut self, key: &K, hash: u64) -> Option<u32> {
        let Self { keys, rows, .. } = self;
        let is_it = |place: &u32| {
            let (known, _) = rows[*place as usize].key.as_ref().expect("a row in the list");
            known == key
        };
        Some(keys.find_entry(hash, is_it).ok()?.remove().0)
    }

    fn has(&self, place: u32, key: &K) -> bool {
        self.rows[place as usize].key.as_ref().is_some_and(|(known, _)| known == key)
    }

    /// The future at `place` is done.
    fn leave(&mut self, place: u32) -> Option<K> {
        let (_, hash) = self.rows[place as usize].key.as_ref()?;
        if let Ok(entry) = self.keys.find_entry(*hash, |listed| *listed == place) {
            entry.remove();
        }
        self.clear(place)
    }

    fn seat(&mut self, key: K, hash: u64, future: F) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.rows.push(Row { key: None, seat: None });
            self.rows.len() as u32 - 1
        });
        let row = &mut self.rows[place as usize];
        row.key = Some((key, hash));
        match &mut row.seat {
            Some(seat) => seat.future.set(Some(future)),
            None => row.seat = Some(Seat::new(future, Bell::new(place, &self.woken))),
        }
        let Self { keys, rows, .. } = self;
        let hash_of = |place: &u32| rows[*place as usize].key.as_ref().map_or(0, |(_, hash)| *hash);
        keys.insert_unique(hash, place, hash_of);
        place
    }

    /// Empties a row that is listed no more. The future goes last, since its drop may panic.
    fn clear(&mut self, place: u32) -> Option<K> {
        let row = &mut self.rows[place as usize];
        let (key, _) = row.key.take()?;
        self.free.push(place);
        let gone = match &mut row.seat {
            Some(seat) if self.free.len() <= self.keys.len() + KEPT => {
                seat.future.set(None);
                None
            }
            seat => seat.take(),
        };
        if self.keys.is_empty() && self.rows.len() > KEPT {
            // Whoever still wakes one of them wakes nobody.
            self.rows = Vec::new();
            self.free = Vec::new();
            self.turn = VecDeque::new();
            self.keys = HashTable::new();
            self.woken.shrink();
        }
        drop(gone);
        Some(key)
    }
}

impl<F> Seat<F> {
    fn new(future: F, bell: Arc<Bell>) -> Self {
        Self { future: Box::pin(Some(future)), waker: Waker::from(bell.clone()), bell }
    }
}

impl<K: Eq + Hash, F: Future> Default for Set<K, F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, F> fmt::Debug for Set<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&K> = self.rows.iter().filter_map(|row| Some(&row.key.as_ref()?.0)).collect();
        f.debug_tuple("Set").field(&keys).finish()
    }
}
