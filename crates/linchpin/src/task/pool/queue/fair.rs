//! Queued jobs: the higher priority first, and nobody passed over for ever.

use std::collections::VecDeque;

use crate::task::pool::Priority;
use crate::task::turns::Turns;

/// A queue that is empty keeps room for so many.
const KEPT: usize = 1_024;

/// Queues, one a level, first come first served within a level.
#[derive(Debug)]
pub(super) struct Levels<T> {
    queues: [VecDeque<T>; Priority::LEVELS],
    len: usize,
    turns: Turns<{ Priority::LEVELS }>,
}

impl<T> Levels<T> {
    pub(super) const fn new() -> Self {
        Self { queues: [const { VecDeque::new() }; Priority::LEVELS], len: 0, turns: Turns::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, priority: Priority, value: T) {
        self.queues[priority.level()].push_back(value);
        self.len += 1;
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let queues = &self.queues;
        let level = self.turns.next(|level| !queues[level].is_empty())?;
        self.take_from(level)
    }

    /// The oldest of the lowest level, if that is no higher than `priority`.
    pub(super) fn displace(&mut self, priority: Priority) -> Option<T> {
        let lowest = (0..Priority::LEVELS).rev().find(|level| !self.queues[*level].is_empty())?;
        if lowest < priority.level() { None } else { self.take_from(lowest) }
    }

    /// Everything, the highest level first.
    pub(super) fn take_all(&mut self) -> Vec<T> {
        self.len = 0;
        self.queues.iter_mut().flat_map(std::mem::take).collect()
    }

    fn take_from(&mut self, level: usize) -> Option<T> {
        let queue = &mut self.queues[level];
        let value = queue.pop_front();
        self.len -= usize::from(value.is_some());
        // A burst gives its memory back, and a queue that is always nearly empty does not allocate each time.
        if queue.is_empty() && queue.capacity() > KEPT {
            queue.shrink_to(KEPT / 2);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_higher_level_goes_first_and_the_lower_ones_are_not_forgotten() {
        let mut levels = Levels::new();
        for n in 0..200 {
            levels.push(Priority::High, ("high", n));
            levels.push(Priority::Normal, ("normal", n));
            levels.push(Priority::Low, ("low", n));
        }
        let order: Vec<_> = std::iter::from_fn(|| levels.pop()).collect();
        assert_eq!((order.len(), levels.len()), (600, 0));
        let early = |name| order[..170].iter().filter(|entry| entry.0 == name).count();
        assert!(early("high") > 145, "{}", early("high"));
        assert!(early("normal") >= 9, "{}", early("normal"));
        assert!(early("low") >= 9, "{}", early("low"));
        for name in ["high", "normal", "low"] {
            let mut numbers = order.iter().filter(|entry| entry.0 == name).map(|entry| entry.1);
            assert!(numbers.by_ref().is_sorted(), "{name} is out of order");
        }
    }

    #[test]
    fn who_is_displaced_is_never_of_a_higher_level() {
        let mut levels = Levels::new();
        levels.push(Priority::High, 1);
        assert_eq!(levels.displace(Priority::Normal), None);
        levels.push(Priority::Low, 2);
        levels.push(Priority::Low, 3);
        assert_eq!(levels.displace(Priority::Normal), Some(2));
        assert_eq!(levels.displace(Priority::Low), Some(3));
        assert_eq!(levels.displace(Priority::High), Some(1));
    }

    #[test]
    fn a_burst_gives_its_memory_back() {
        let mut levels = Levels::new();
        for n in 0..100_000 {
            levels.push(Priority::Normal, n);
        }
        while levels.pop().is_some() {}
        assert!(levels.queues[1].capacity() <= KEPT);
    }
}
