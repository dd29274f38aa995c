//! The chunks of the list, in shards that threads are dealt to.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::chunk::{Chunk, Entry, FULL};
use super::label::{self, Known, Label};
use super::{Key, Live};
use crate::shim::{Mutex, MutexGuard, lock};
#[cfg(feature = "testing")]
use crate::task::home::Home;
use crate::task::slab::Slab;
use crate::time::Instant;

/// The list itself. There is one; models make their own.
pub(crate) struct Registry {
    shards: [Shard; SHARDS],
}

/// What a thread has of the list.
pub(crate) struct Hand {
    shard: u32,
    /// The chunk whose rows it hands out.
    own: Option<Arc<Chunk>>,
    /// Rows of it that are free for certain.
    room: u64,
    /// Another in which a task ended here.
    last: Option<Arc<Chunk>>,
    known: Known,
    /// Numbers of tasks to come.
    ids: Range<u64>,
}

/// A table of its own cache lines (two, since processors fetch them in pairs), or neighbours would slow one another.
#[repr(align(128))]
struct Shard(Mutex<Table>);

struct Table {
    chunks: Slab<Listed>,
    /// Chunks that nobody owns and that have room; some that were and are not any more.
    roomy: Vec<u32>,
    /// How many numbers were dealt out.
    ids: u64,
}

struct Listed {
    chunk: Arc<Chunk>,
    /// Whether it is among the roomy.
    roomy: bool,
}

pub(super) const SHARDS: usize = 16;
const SHARD_BITS: u32 = SHARDS.trailing_zeros();
const ROW_BITS: u32 = 6;
/// So many numbers of tasks a thread takes at once.
const IDS: u64 = 1_024;

// ===== impl Registry =====

impl Registry {
    #[cfg(not(linchpin_loom))]
    pub(super) const fn new() -> Self {
        Self { shards: [const { Shard(Mutex::new(Table::new())) }; SHARDS] }
    }

    #[cfg(linchpin_loom)]
    pub(crate) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Shard(Mutex::new(Table::new()))) }
    }

    #[inline]
    pub(super) fn enter(
        &self,
        hand: &mut Hand,
        label: Label,
        #[cfg(feature = "testing")] home: Home,
    ) -> Key {
        if hand.ids.is_empty() {
            hand.ids = self.shard(hand.shard).more_ids();
        }
        let number = hand.ids.start;
        hand.ids.start += 1;
        let entry = Entry {
            id: (number << SHARD_BITS) | u64::from(hand.shard),
            since: Instant::now(),
            label: hand.known.number(label),
            #[cfg(feature = "testing")]
            home: Some(home),
        };
        loop {
            if let Some(chunk) = &hand.own
                && let Some(row) = chunk.enter(&mut hand.room, entry)
            {
                return Key::new(chunk, row);
            }
            self.exchange(hand);
        }
    }

    /// The same for a model.
    #[cfg(all(test, linchpin_loom))]
    pub(crate) fn enter_as(&self, hand: &mut Hand, name: &'static str) -> Key {
        let label = Label { name, site: std::panic::Location::caller(), kind: super::Kind::Async };
        #[cfg(not(feature = "testing"))]
        return self.enter(hand, label);
        #[cfg(feature = "testing")]
        self.enter(hand, label, Home::here())
    }

    #[inline]
    pub(crate) fn leave(&self, hand: &mut Hand, key: Key) {
        let is_its = |chunk: &&Arc<Chunk>| chunk.has(key);
        if let Some(own) = hand.own.as_ref().filter(is_its) {
            return own.leave_home(&mut hand.room, key.row());
        }
        let chunk = match hand.last.as_ref().filter(is_its) {
            Some(chunk) => chunk,
            None => hand.last.insert(self.shard(key.shard()).chunk(key)),
        };
        if chunk.leave(key.row()) {
            self.see_to(chunk);
        }
    }

    /// Gives the thread's chunk free.
    pub(crate) fn release(&self, hand: &mut Hand) {
        hand.last = None;
        if let Some(own) = hand.own.take() {
            self.shard(hand.shard).set_free(&own);
        }
    }

    pub(crate) fn find(&self, key: Key) -> Option<Live> {
        let now = Instant::now();
        let chunk = self.shard(key.shard()).chunks.get(key.chunk())?.chunk.clone();
        chunk.read(key.row()).map(|entry| entry.live(now))
    }

    pub(crate) fn count(&self) -> usize {
        let taken = |chunk: Arc<Chunk>| chunk.taken().count_ones() as usize;
        self.chunks().map(taken).sum()
    }

    pub(crate) fn older_than(&self, age: Duration) -> Vec<Live> {
        let now = Instant::now();
        let mut found: Vec<Entry> = Vec::new();
        for chunk in self.chunks() {
            found.extend(chunk.entries().filter(|entry| now - entry.since >= age));
        }
        found.sort_unstable_by_key(|entry| (entry.since, entry.id));
        found.iter().map(|entry| entry.live(now)).collect()
    }

    /// How many chunks there are.
    #[cfg(all(test, linchpin_loom))]
    pub(crate) fn size(&self) -> usize {
        self.chunks().count()
    }

    /// Another chunk for a thread that has none, or one without room.
    #[cold]
    fn exchange(&self, hand: &mut Hand) {
        let mut table = self.shard(hand.shard);
        if let Some(full) = hand.own.take() {
            table.set_free(&full);
        }
        hand.room = 0;
        hand.own = Some(table.take_roomy().unwrap_or_else(|| table.add(hand.shard)));
    }

    /// The chunk had no owner when it got room, or became empty.
    #[cold]
    fn see_to(&self, chunk: &Arc<Chunk>) {
        let mut table = self.shard(chunk.shard);
        // Others may have been faster, and somebody may own it by now.
        if !chunk.is_removed() && chunk.is_free() {
            table.file(chunk, chunk.taken());
        }
    }

    /// All chunks, a shard at a time.
    fn chunks(&self) -> impl Iterator<Item = Arc<Chunk>> {
        (0..SHARDS as u32).flat_map(|shard| {
            let table = self.shard(shard);
            table.chunks.iter().map(|listed| listed.chunk.clone()).collect::<Vec<_>>()
        })
    }

    fn shard(&self, shard: u32) -> MutexGuard<'_, Table> {
        lock(&self.shards[shard as usize].0)
    }
}

// ===== impl Table =====

impl Table {
    const fn new() -> Self {
        Self { chunks: Slab::new(), roomy: Vec::new(), ids: 0 }
    }

    fn more_ids(&mut self) -> Range<u64> {
        let first = self.ids + 1;
        self.ids += IDS;
        first..self.ids + 1
    }

    fn chunk(&self, key: Key) -> Arc<Chunk> {
        let listed =
            self.chunks.get(key.chunk()).expect("a chunk stays while a row of it is taken");
        listed.chunk.clone()
    }

    fn add(&mut self, shard: u32) -> Arc<Chunk> {
        let mut added = None;
        self.chunks.insert_with(|number| {
            let chunk = Arc::new(Chunk::new(shard, number));
            added = Some(chunk.clone());
            Listed { chunk, roomy: false }
        });
        added.expect("a chunk was made")
    }

    fn take_roomy(&mut self) -> Option<Arc<Chunk>> {
        while let Some(number) = self.roomy.pop() {
            if let Some(listed) = self.chunks.get_mut(number)
                && std::mem::take(&mut listed.roomy)
            {
                listed.chunk.own();
                return Some(listed.chunk.clone());
            }
        }
        None
    }

    fn set_free(&mut self, chunk: &Arc<Chunk>) {
        let taken = chunk.set_free();
        self.file(chunk, taken);
    }

    /// Puts a chunk that nobody owns where it belongs.
    fn file(&mut self, chunk: &Arc<Chunk>, taken: u64) {
        if taken == 0 {
            chunk.remove();
            drop(self.chunks.remove(chunk.number));
            if self.chunks.len() == 0 {
                self.roomy = Vec::new();
            }
        } else if taken != FULL
            && let Some(listed) = self.chunks.get_mut(chunk.number)
            && !std::mem::replace(&mut listed.roomy, true)
        {
            self.roomy.push(chunk.number);
        }
    }
}

// ===== impl Hand, Chunk, Entry, Key =====

impl Hand {
    pub(crate) const fn new(shard: u32) -> Self {
        Self { shard, own: None, room: 0, last: None, known: Known::new(), ids: 0..0 }
    }
}

impl Chunk {
    /// Whether the key is of this chunk, and not of its heir.
    fn has(&self, key: Key) -> bool {
        self.number == key.chunk() && self.shard == key.shard() && !self.is_removed()
    }
}

impl Entry {
    fn live(&self, now: Instant) -> Live {
        let Label { name, site, kind } = label::label(self.label);
        Live {
            id: self.id,
            name,
            site,
            kind,
            age: now - self.since,
            #[cfg(feature = "testing")]
            home: self.home.expect("a row that was written has one"),
        }
    }
}

impl Key {
    /// Chunks beyond 22 bits do not occur: their rows alone would fill 6 gigabytes of one shard.
    fn new(chunk: &Chunk, row: u32) -> Self {
        Self(((((chunk.number << ROW_BITS) | row) << SHARD_BITS) | chunk.shard) + 1)
    }

    fn shard(self) -> u32 {
        (self.0 - 1) % SHARDS as u32
    }

    fn row(self) -> u32 {
        ((self.0 - 1) >> SHARD_BITS) % (1 << ROW_BITS)
    }

    fn chunk(self) -> u32 {
        (self.0 - 1) >> (SHARD_BITS + ROW_BITS)
    }
}
