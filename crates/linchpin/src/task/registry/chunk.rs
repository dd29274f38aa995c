//! Rows of the list, which one thread at a time hands out and any thread takes back.
//!
//! Two words have a bit for each row: the owner flips its bit in the one when a task enters, and when it ends the task
//! itself, another who ends the task flips the bit in the other, and a row is taken while the two differ. So the owner
//! writes with plain stores, and to leave elsewhere is one exchange, which also says whether the chunk has an owner: if
//! not, who finds it full or empties it must see to it.
//! A row is read while it is written, and says by its number whether it was.

use crate::shim::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use crate::shim::{Fault, planted};
#[cfg(feature = "testing")]
use crate::shim::{PlainMutex, lock_plain};
#[cfg(feature = "testing")]
use crate::task::home::Home;
use crate::time::Instant;

pub(super) struct Chunk {
    pub(super) shard: u32,
    pub(super) number: u32,
    /// Flipped by the owner, when a task enters, and when one leaves there.
    came: AtomicU64,
    /// Flipped when a task leaves elsewhere; [`FREE`] beside.
    went: Apart,
    /// The table has it no more, and maybe another by its number.
    removed: AtomicBool,
    rows: [Row; ROWS as usize],
}

/// On cache lines of its own (two, since processors fetch them in pairs): the owner seldom looks, and need not wait for
/// those who leave on other processors.
#[repr(align(128))]
struct Apart(AtomicU64);

struct Row {
    /// Unique in the process, zero while the row is written.
    id: AtomicU64,
    since: AtomicU64,
    label: AtomicU32,
    #[cfg(feature = "testing")]
    home: PlainMutex<Option<Home>>,
}

/// What a row says of a task.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) since: Instant,
    pub(super) label: u32,
    #[cfg(feature = "testing")]
    pub(super) home: Option<Home>,
}

/// Few in a model, so that a chunk is soon full.
pub(super) const ROWS: u32 = if cfg!(linchpin_loom) { 2 } else { 63 };
/// Every row.
pub(super) const FULL: u64 = (1 << ROWS) - 1;
/// Nobody hands out rows of this chunk.
const FREE: u64 = 1 << 63;

impl Chunk {
    pub(super) fn new(shard: u32, number: u32) -> Self {
        Self {
            shard,
            number,
            came: AtomicU64::new(0),
            went: Apart(AtomicU64::new(0)),
            removed: AtomicBool::new(false),
            rows: std::array::from_fn(|_| Row::new()),
        }
    }

    /// For the owner: a task enters. `None` if there is no row.
    ///
    /// `room` has the rows that the owner found to be free and has not handed out since; none at first.
    pub(super) fn enter(&self, room: &mut u64, entry: Entry) -> Option<u32> {
        let came = self.came.load(Ordering::Relaxed);
        if *room == 0 {
            // Acquire: what left its row did so before the next one is written there.
            *room = !(came ^ self.went.0.load(Ordering::Acquire)) & FULL;
        }
        let row = room.trailing_zeros();
        self.rows.get(row as usize)?.write(entry);
        *room &= *room - 1;
        self.came.store(came ^ (1 << row), Ordering::Release);
        Some(row)
    }

    /// For the owner: a task leaves. It has room as in [`enter`](Self::enter).
    pub(super) fn leave_home(&self, room: &mut u64, row: u32) {
        let came = self.came.load(Ordering::Relaxed);
        self.came.store(came ^ (1 << row), Ordering::Release);
        *room |= 1 << row;
    }

    /// A task leaves elsewhere. Whether somebody must see to the chunk.
    pub(super) fn leave(&self, row: u32) -> bool {
        let bit = 1 << row;
        let went = self.went.0.fetch_xor(bit, Ordering::AcqRel);
        // With the freedom of the chunk this has seen the last that its owner wrote.
        let before = (self.came.load(Ordering::Relaxed) ^ went) & FULL;
        went & FREE != 0 && (before == FULL || before == bit)
    }

    /// Gives it free; says which rows are taken.
    pub(super) fn set_free(&self) -> u64 {
        let came = self.came.load(Ordering::Relaxed);
        if planted(Fault::RegistryLooksBeforeItGivesFree) {
            let taken = self.taken();
            self.went.0.fetch_or(FREE, Ordering::AcqRel);
            return taken;
        }
        (came ^ self.went.0.fetch_or(FREE, Ordering::AcqRel)) & FULL
    }

    /// Makes the caller, who holds the lock of the table, the owner.
    pub(super) fn own(&self) {
        self.went.0.fetch_and(!FREE, Ordering::AcqRel);
    }

    pub(super) fn is_free(&self) -> bool {
        self.went.0.load(Ordering::Acquire) & FREE != 0
    }

    /// The rows that are taken. One of a task that lives all the while is among them, and none of a task that is known
    /// to have left.
    pub(super) fn taken(&self) -> u64 {
        let went = self.went.0.load(Ordering::Acquire);
        (self.came.load(Ordering::Acquire) ^ went) & FULL
    }

    /// What the row says, if a task has it.
    pub(super) fn read(&self, row: u32) -> Option<Entry> {
        if self.taken() & (1 << row) == 0 {
            return None;
        }
        self.rows.get(row as usize)?.read()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        (0..ROWS).filter_map(|row| self.read(row))
    }

    pub(super) fn remove(&self) {
        self.removed.store(true, Ordering::Relaxed);
    }

    /// Whether the table has it no more. Who has a key of the chunk that has come in its place knows.
    pub(super) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Relaxed) && !planted(Fault::RegistryTrustsARemovedChunk)
    }
}

impl Row {
    fn new() -> Self {
        Self {
            id: AtomicU64::new(0),
            since: AtomicU64::new(0),
            label: AtomicU32::new(0),
            #[cfg(feature = "testing")]
            home: PlainMutex::new(None),
        }
    }

    /// For the owner. Who reads meanwhile sees that the number changed.
    fn write(&self, entry: Entry) {
        self.id.store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        self.since.store(entry.since.to_bits(), Ordering::Relaxed);
        self.label.store(entry.label, Ordering::Relaxed);
        #[cfg(feature = "testing")]
        {
            *lock_plain(&self.home) = entry.home;
        }
        self.id.store(entry.id, Ordering::Release);
    }

    /// `None` if it was written meanwhile: who had it has left, and who has it now came after the look.
    fn read(&self) -> Option<Entry> {
        let id = self.id.load(Ordering::Acquire);
        let entry = Entry {
            id,
            since: Instant::from_bits(self.since.load(Ordering::Relaxed)),
            label: self.label.load(Ordering::Relaxed),
            #[cfg(feature = "testing")]
            home: *lock_plain(&self.home),
        };
        fence(Ordering::Acquire);
        let same = self.id.load(Ordering::Relaxed) == id || planted(Fault::RegistryReadsOnce);
        (id != 0 && same).then_some(entry)
    }
}
