//! The locks and atomics that our own protocols are made of: std's, its mutex as one that tells
//! ([`sync::lock`](crate::sync::lock)), or loom's under `--cfg linchpin_loom`.
//!
//! A protocol imports them from here, so that `scripts/model-check` explores its interleavings, weak memory included.
//! Reference counts stay std's `Arc` everywhere: no protocol of ours depends on their ordering.

#[cfg(not(linchpin_loom))]
pub(crate) use crate::sync::{Mutex, lock::MutexGuard};
#[cfg(linchpin_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(linchpin_loom))]
pub(crate) use std::sync::atomic;

/// The plain mutex, for who needs a condition variable beside it, or keeps an order of locks by itself.
#[cfg(linchpin_loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{Condvar, Mutex as PlainMutex, MutexGuard as PlainGuard},
};
#[cfg(not(linchpin_loom))]
pub(crate) use std::sync::{Condvar, Mutex as PlainMutex, MutexGuard as PlainGuard};

use std::sync::PoisonError;

use self::atomic::AtomicUsize;

/// Locks; a poisoned lock is taken all the same.
///
/// Only for state that is whole between any two statements under the lock, so that a panic leaves nothing half done.
#[cfg(linchpin_loom)]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same for a lock of ours.
#[cfg(not(linchpin_loom))]
#[cfg_attr(debug_assertions, track_caller)]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

/// As [`lock`], for the plain mutex.
pub(crate) fn lock_plain<T>(mutex: &PlainMutex<T>) -> PlainGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stores `value`, for all to see before this thread looks at anything else.
///
/// Two threads that each announce one word and then look at the other's, by sequentially consistent loads, cannot both
/// miss the other.
#[cfg(not(linchpin_loom))]
pub(crate) fn announce(word: &AtomicUsize, value: usize) {
    // An exchange: of the instructions with this promise it is the cheapest, on x86 at least.
    word.swap(value, atomic::Ordering::SeqCst);
}

/// The same in loom's words: it takes a sequentially consistent access for an acquire and a release, and knows the
/// promise of fences alone.
#[cfg(linchpin_loom)]
pub(crate) fn announce(word: &AtomicUsize, value: usize) {
    word.store(value, atomic::Ordering::Relaxed);
    atomic::fence(atomic::Ordering::SeqCst);
}

/// Std's cell, in the shape through which loom sees who comes to it.
#[cfg(not(linchpin_loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(linchpin_loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    pub(crate) fn with<R>(&self, work: impl FnOnce(*const T) -> R) -> R {
        work(self.0.get())
    }

    pub(crate) fn with_mut<R>(&self, work: impl FnOnce(*mut T) -> R) -> R {
        work(self.0.get())
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

/// A mistake that a model must catch, or it proves nothing: compiled in for models alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// An adaptive limit counts a call in its partition once it is let in, and not before.
    AdaptiveCountsAPartLater,
    /// An adaptive limit is changed by a word that was read before, and those who came meanwhile are lost.
    AdaptiveLimitsUnseen,
    /// An adaptive limit looks whether there is room and counts in two steps.
    AdaptiveLooksBeforeItCounts,
    /// The worker of a batcher looks and leaves its waker under two holds of the lock, not one.
    BatchLooksBeforeItWaits,
    /// A submitter looks for its answer and leaves its waker under two holds of the lock, not one.
    BatchLooksBeforeItRegisters,
    /// A submitter finds its item in the queue and takes it out under two holds of the lock, not one.
    BatchTakesBackWhatLiesThere,
    /// A submitter looks whether the batcher is closed and enters its item under two holds of the lock, not one.
    BatchEntersAClosedQueue,
    /// A consumer looks whether anything is there and leaves its waker under two holds of the lock, not one.
    BeltLooksBeforeItWaits,
    /// The last to come to a barrier finds that it is the last and calls the others under two holds of the lock, not one.
    BarrierCallsLater,
    /// A reader looks whether the lock is calm before it takes its seat, and not after.
    BiasedLooksBeforeItSits,
    /// A reader that is awaited leaves its seat and tells nobody.
    BiasedLeavesInSilence,
    /// A reader that finds a writer keeps its seat while it queues for the mutex.
    BiasedSitsWhileItQueues,
    /// A breaker counts an outcome though it has changed since the call began.
    BreakerCountsWhatIsStale,
    /// A transition reads the word that is over before it takes it, and not as it takes it.
    BreakerLooksBeforeItTotals,
    /// A breaker opens by an outcome though another has just opened it.
    BreakerOpensTwice,
    /// A breaker writes its word in a way that has no order with those who count.
    BreakerPublishesUnseen,
    /// A breaker takes the numbers of a frame for those of a word that is no more.
    BreakerTrustsAFrame,
    /// A breaker carries its count over while others count.
    BreakerTurnsUnseen,
    /// A budget for retries takes in the calls that wait, and loses those that come meanwhile.
    BudgetForgetsWhoComesMeanwhile,
    /// A budget looks whether there is enough and takes it under two holds of the lock, not one.
    BudgetLooksBeforeItTakes,
    /// A budget stores what is left without a look whether it is still what it was judged by.
    BudgetStoresUnseen,
    /// A subscriber looks whether a publisher waits for room before it has made some, and not in the same step.
    BusAdvancesUnseen,
    /// A message is counted, and what was written in its place is not handed on.
    BusHandsNothingOn,
    /// A subscriber looks for a message before it parks, and not under one hold of the lock.
    BusLooksBeforeItParks,
    /// A subscriber parks and leaves the short way open, on which nobody looks for it.
    BusStaysPlain,
    /// The last consumer wakes who waits for room and goes under two holds of the lock, not one.
    BeltWakesBeforeItIsAbandoned,
    /// A waiter looks whether its context has ended before it enters the lists, and not after.
    ContextLooksBeforeItEnters,
    /// An end is told to those who wait before it can be seen, and not after.
    ContextTellsBeforeItEnds,
    /// A thread adds to a cell of a counter that is not its own.
    CounterAddsInAnothersCell,
    /// One who comes looks whether a flight has room and counts itself in two steps.
    FlightLooksBeforeItJoins,
    /// One who waits for a flight looks whether it has landed and leaves its waker under two holds of the lock, not one.
    FlightLooksBeforeItWaits,
    /// How long flights may take is changed under one hold of the lock, and what else they may under another.
    FlightMixesItsRules,
    /// A flight that was forgotten takes newcomers still.
    FlightStaysOpen,
    /// A flight that all have left takes one more.
    FlightTakesWhoComesTooLate,
    /// A number that was zero goes up, and what was done before it was zero is not seen.
    CountdownForgetsWhatWasDone,
    /// One who waits for zero looks before it says that it waits, and not after.
    CountdownLooksBeforeItWaits,
    /// A hedge that the shared budget refuses keeps what it took from its own.
    HedgeKeepsWhatItPaid,
    /// How long an attempt took is counted before it is stored, and not after.
    HedgeCountsBeforeItStores,
    /// A worker of a group looks for work and goes under two holds of the lock, not one.
    GroupLooksBeforeItGoes,
    /// A joiner looks whether anybody is left and leaves its waker under two holds of the lock, not one.
    GroupLooksBeforeItRegisters,
    /// A task looks whether its group is aborted before it leaves its waker, and not after.
    GroupLooksBeforeItWaits,
    /// A job is said to be over before what it came to is written.
    PoolIsOverBeforeItIsWritten,
    /// The handle of a job does not look again whether it is over once it has left its waker.
    PoolHandleLooksBeforeItWaits,
    /// A submitter who leaves the line keeps the place that was granted to it.
    PoolForgetsTheNextInLine,
    /// A pool drops what lies on its shelves before it says that all is cleared, and not after.
    PoolClearsBeforeItSays,
    /// A pool looks whether it may keep one more and counts it in two steps.
    PoolLooksBeforeItKeeps,
    /// A thread takes one from the shelf of a pool and puts the rest back under two holds of the lock, not one.
    PoolPutsTheShelfBackLater,
    /// A worker looks for a job and becomes idle under two holds of the lock, not one.
    PoolLooksBeforeItIdles,
    /// One who waits for what is next in lanes looks and leaves its waker under two holds of the lock, not one.
    LanesLookBeforeTheyWait,
    /// A limiter looks whether there is room for a key and counts it in two steps.
    LimiterLooksBeforeItCounts,
    /// A limiter stores its word without a look whether it is still the one that was judged.
    LimiterStoresUnseen,
    /// A limiter judges by numbers that are being written.
    LimiterTrustsAMix,
    /// All who find that a store is to be asked again ask it.
    LimiterAllAskAgain,
    /// A limiter takes a turn back though a penalty or other numbers came since.
    LimiterUndoesWhatIsOld,
    /// What was asked of a store before it went or came back makes it go or come back once more.
    LimiterSwitchesTwice,
    /// The receiver of a mailbox looks and leaves its waker under two holds of the lock, not one.
    MailboxLooksBeforeItRegisters,
    /// One who waits to make a value looks whether it is its turn and gets in line under two holds of the lock, not one.
    OnceLooksBeforeItWaits,
    /// One who waits to make a value, is given the turn and goes away keeps the turn.
    OnceForgetsWhoLeft,
    /// A state is stored without a look whether it is still the one that was judged.
    PackedStoresUnseen,
    /// A thread that gives its chunk of the list free looks which rows are taken first.
    RegistryLooksBeforeItGivesFree,
    /// A reader of the list takes a row as it finds it, though it may be half written.
    RegistryReadsOnce,
    /// A thread takes the chunk it remembers by that number for the one that has come in its place.
    RegistryTrustsARemovedChunk,
    /// A balancer looks how many are ejected and ejects one under two holds of the lock, not one.
    OutlierEjectsAll,
    /// A balancer stores what a call to a target takes without a look whether another has observed more.
    OutlierForgetsAPeak,
    /// A balancer begins to count anew while calls end.
    OutlierSweepsUnseen,
    /// A semaphore that shrank lets newcomers at what comes back before all it owes is withdrawn.
    SemaphoreForgetsItsDebt,
    /// A waiter of a semaphore that is dropped keeps the permits that were granted to it.
    SemaphoreForgetsWhoLeft,
    /// A waiter of a semaphore looks for permits before it says that it waits, and not after.
    SemaphoreLooksBeforeItWaits,
    /// Permits of a semaphore come back without what was written while they were held.
    SemaphoreReleasesNothing,
    /// A semaphore that serves the newest takes its number for the lowest of all who wait.
    SemaphoreServesByTheNewestNumber,
    /// A set looks whether one of its futures was woken and leaves its waker under two holds of the lock, not one.
    SetLooksBeforeItWaits,
    /// A set polls a future and takes the wake-ups that come meanwhile for those that it answers.
    SetPollsBeforeItIsStill,
    /// The calls of a window are read and taken in two steps, and one that comes between them is lost.
    SamplesAreTakenInTwoSteps,
    /// A shedder looks whether there is too much under way and counts one more in two steps.
    ShedLooksBeforeItCounts,
    /// A seat that somebody has is given to another.
    SeatIsGivenTwice,
    /// Several stripes are locked in the order of their keys.
    StripesLockAsTheyCome,
    /// A reader looks whether its loop gave an item and leaves its waker under two holds of the lock, not one.
    StreamLooksBeforeItWaits,
    /// Several that find that nobody has passed a throttle each pass, and not one of them.
    ThrottleLooksBeforeItProbes,
    /// A throttle stores its word without a look whether it is still the one that was judged.
    ThrottleStoresUnseen,
    /// A throttle carries its count over while others count.
    ThrottleTurnsUnseen,
    /// A caller leaves its work before it counts it, and not after.
    TimeoutLeavesBeforeItCounts,
    /// A viewer looks for another value before it enters the list, and not under one hold of the lock.
    WatchedLooksBeforeItWaits,
    /// The watch does not look again whether the thread still polls the task whose name it found.
    WatchLooksOnce,
}

/// Whether the running model has planted `fault`. `scripts/sanitize` plants one, too, for a whole build.
#[cfg(not(all(test, linchpin_loom)))]
pub(crate) const fn planted(fault: Fault) -> bool {
    cfg!(linchpin_race) && matches!(fault, Fault::BiasedLooksBeforeItSits)
}

#[cfg(all(test, linchpin_loom))]
pub(crate) use crate::model::planted;
