//! Who runs what a group spawns: workers, each a task of the runtime, who go on with the next piece of work while it does
//! not wait.
//!
//! To make, queue and free a task of the runtime is most of what a short piece of work costs, so it has one only while it
//! waits: it keeps the worker that began it, and another comes for the rest. While work is queued and the limit lets it
//! run, as many workers are on their way as the runtime has threads. That is not one too many: a thread keeps the task
//! that it spawned last to itself, so that of fewer each might be kept by a thread that is busy, while another is idle.
//! Where there is one thread, another comes only when the first waits.

use std::collections::VecDeque;

/// The workers of a group, and the work that has none yet.
pub(super) struct Crew<J> {
    queue: VecDeque<J>,
    /// Workers with a piece of work.
    running: usize,
    /// Workers that are on their way.
    coming: usize,
    limit: usize,
    threads: usize,
}

/// Whether a worker is to be sent, who is counted as on its way.
#[derive(Clone, Copy)]
#[must_use = "it is counted already"]
pub(crate) struct Sent(pub(crate) bool);

/// Room for so many from the beginning: what a request fans out to.
pub(super) const FEW: usize = 8;

impl<J> Crew<J> {
    pub(super) const fn new() -> Self {
        Self { queue: VecDeque::new(), running: 0, coming: 0, limit: usize::MAX, threads: 1 }
    }

    /// At most so many pieces of work run at once.
    pub(super) fn limit(&mut self, running: usize) {
        self.limit = running;
    }

    /// The runtime has so many threads.
    pub(super) fn threads(&mut self, threads: usize) {
        self.threads = threads;
    }

    /// Whether as many pieces of work are there as may run.
    pub(super) fn is_full(&self) -> bool {
        self.running + self.queue.len() >= self.limit
    }

    pub(super) fn push(&mut self, work: J) -> Sent {
        if self.queue.capacity() == 0 {
            self.queue.reserve(FEW);
        }
        self.queue.push_back(work);
        self.send()
    }

    /// A worker is there, and has the first in the queue, or nothing to do.
    pub(super) fn arrive(&mut self) -> (Option<J>, Sent) {
        self.coming -= 1;
        let first = self.queue.pop_front();
        self.running += usize::from(first.is_some());
        (first, if self.is_alone() { Sent(false) } else { self.send() })
    }

    /// The work of a worker waits, for the first time.
    pub(super) fn wait(&mut self) -> Sent {
        self.send()
    }

    /// Whether there is one thread, so that a worker has to say when its work waits.
    pub(super) fn is_alone(&self) -> bool {
        self.threads == 1
    }

    /// A worker is done with one, and has the next, or goes.
    pub(super) fn next(&mut self) -> Option<J> {
        let next = self.queue.pop_front();
        self.running -= usize::from(next.is_none());
        next
    }

    /// Whether work has no worker.
    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    /// A worker goes, in the middle of its work or because there was none.
    pub(super) fn lose(&mut self) {
        self.running -= 1;
    }

    /// A worker never came.
    pub(super) fn miss(&mut self) {
        self.coming -= 1;
    }

    /// Everything that has no worker.
    pub(super) fn take_queue(&mut self) -> VecDeque<J> {
        std::mem::take(&mut self.queue)
    }

    fn send(&mut self) -> Sent {
        let wanted = self.queue.len().min(self.threads);
        let is_wanted = self.coming < wanted && self.running + self.coming < self.limit;
        self.coming += usize::from(is_wanted);
        Sent(is_wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::Crew;

    #[test]
    fn as_many_are_on_their_way_as_there_are_threads_and_pieces_of_work() {
        let mut crew = Crew::new();
        crew.threads(2);
        let sent: Vec<bool> = (0..4).map(|work| crew.push(work).0).collect();
        assert_eq!(sent, [true, true, false, false]);
        let (first, send) = crew.arrive();
        assert_eq!((first, send.0), (Some(0), true));
        let (second, send) = crew.arrive();
        assert_eq!((second, send.0), (Some(1), true));
        // Two are left, and two are coming.
        assert_eq!(crew.next(), Some(2));
        let (last, send) = crew.arrive();
        assert_eq!((last, send.0), (Some(3), false));
        let (nothing, send) = crew.arrive();
        assert_eq!((nothing, send.0), (None, false));
        assert!([crew.next(), crew.next()].iter().all(Option::is_none));
        assert!(crew.push(4).0, "the next burst has its own");
    }

    #[test]
    fn on_one_thread_another_is_sent_when_the_first_waits() {
        let mut crew = Crew::new();
        let sent: Vec<bool> = (0..3).map(|work| crew.push(work).0).collect();
        assert_eq!(sent, [true, false, false]);
        let (first, send) = crew.arrive();
        assert_eq!((first, send.0), (Some(0), false));
        assert_eq!(crew.next(), Some(1));
        assert!(crew.wait().0);
        assert!(!crew.wait().0, "one is coming");
    }

    #[test]
    fn nobody_is_sent_over_the_limit() {
        let mut crew = Crew::new();
        crew.threads(8);
        crew.limit(2);
        assert!(crew.push(0).0);
        assert!(!crew.is_full());
        assert!(crew.push(1).0);
        assert!(crew.is_full());
        assert!(!crew.push(2).0);
        let arrivals = [crew.arrive(), crew.arrive()].map(|(work, send)| (work, send.0));
        assert_eq!(arrivals, [(Some(0), false), (Some(1), false)]);
        assert_eq!(crew.next(), Some(2));
        assert_eq!(crew.next(), None);
    }

    #[test]
    fn a_limit_of_none_runs_nothing() {
        let mut crew = Crew::new();
        crew.limit(0);
        assert!(crew.is_full());
        assert!(!crew.push(0).0);
        assert_eq!(crew.take_queue(), [0]);
    }

    #[test]
    fn a_worker_that_never_comes_is_not_waited_for() {
        let mut crew = Crew::new();
        assert!(crew.push(0).0);
        crew.miss();
        assert!(crew.push(1).0);
    }
}
