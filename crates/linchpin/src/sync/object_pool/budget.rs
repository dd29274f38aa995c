//! How much a pool may keep for all threads together.

use crate::shim::atomic::AtomicUsize;
use crate::shim::atomic::Ordering::Relaxed;
use crate::shim::{Fault, planted};

/// Counts what lies in the shared tier, and refuses what would be too much.
///
/// It guards nothing but numbers, so no order is asked of it.
pub(crate) struct Budget {
    objects: Meter,
    bytes: Meter,
}

struct Meter {
    used: AtomicUsize,
    most: usize,
}

impl Budget {
    pub(crate) fn new(objects: usize, bytes: usize) -> Self {
        let meter = |most| Meter { used: AtomicUsize::new(0), most };
        Self { objects: meter(objects), bytes: meter(bytes) }
    }

    /// Books one object of so many bytes, if there is room for it.
    pub(super) fn book(&self, bytes: usize) -> bool {
        if !self.objects.book(1) {
            return false;
        }
        let fits = self.bytes.book(bytes);
        if !fits {
            self.objects.free(1);
        }
        fits
    }

    /// Takes off what was booked for so many objects.
    pub(super) fn free(&self, objects: usize, bytes: usize) {
        self.objects.free(objects);
        self.bytes.free(bytes);
    }

    /// How many objects are booked.
    #[cfg(all(test, linchpin_loom))]
    pub(crate) fn objects(&self) -> usize {
        self.objects.used.load(Relaxed)
    }
}

impl Meter {
    fn book(&self, amount: usize) -> bool {
        let fits = |used: usize| used.checked_add(amount).filter(|sum| *sum <= self.most);
        if planted(Fault::PoolLooksBeforeItKeeps) {
            let used = self.used.load(Relaxed);
            return fits(used).is_some_and(|_| {
                self.used.fetch_add(amount, Relaxed);
                true
            });
        }
        self.used.fetch_update(Relaxed, Relaxed, fits).is_ok()
    }

    fn free(&self, amount: usize) {
        self.used.fetch_sub(amount, Relaxed);
    }
}
