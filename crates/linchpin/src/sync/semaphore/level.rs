//! Those of one level of priority, in the order in which they came.
//!
//! A ring: to come and to be served at an end is O(1) and touches one row. Who leaves from the middle is found by its
//! number in O(log n) and leaves a gap, which goes when it comes to an end, or when most are gaps.

use std::collections::VecDeque;
use std::task::Waker;

#[derive(Debug, Default)]
pub(super) struct Level {
    /// In the order of their numbers. Neither end is a gap.
    rows: VecDeque<Row>,
    gaps: usize,
}

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) number: u64,
    pub(super) permits: usize,
    pub(super) waker: Option<Waker>,
    /// The passes before it came.
    pub(super) passes: usize,
}

/// From which end of a level one is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    Oldest,
    Newest,
}

#[derive(Debug)]
struct Row {
    waiter: Waiter,
    has_left: bool,
}

/// What is kept of a ring that became empty, in rows.
const KEPT: usize = 64;

impl Level {
    /// How many wait.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.rows.len() - self.gaps
    }

    /// Lets in one with a number above all others'.
    #[inline]
    pub(super) fn push(&mut self, waiter: Waiter) {
        self.rows.push_back(Row { waiter, has_left: false });
    }

    #[inline]
    pub(super) fn at(&self, end: End) -> Option<&Waiter> {
        let row = match end {
            End::Oldest => self.rows.front(),
            End::Newest => self.rows.back(),
        };
        row.map(|row| &row.waiter)
    }

    pub(super) fn find(&self, number: u64) -> Option<&Waiter> {
        Some(&self.rows[self.index(number)?].waiter)
    }

    pub(super) fn find_mut(&mut self, number: u64) -> Option<&mut Waiter> {
        let index = self.index(number)?;
        Some(&mut self.rows[index].waiter)
    }

    /// All from one end to the other.
    pub(super) fn iter_from(&self, end: End) -> impl Iterator<Item = &Waiter> {
        let last = self.rows.len().wrapping_sub(1);
        let rows = (0..self.rows.len()).map(move |at| match end {
            End::Oldest => &self.rows[at],
            End::Newest => &self.rows[last - at],
        });
        rows.filter(|row| !row.has_left).map(|row| &row.waiter)
    }

    /// Takes the one at an end.
    #[inline]
    pub(super) fn pop(&mut self, end: End) -> Option<Waiter> {
        let row = match end {
            End::Oldest => self.rows.pop_front(),
            End::Newest => self.rows.pop_back(),
        }?;
        if self.gaps > 0 || self.rows.capacity() > KEPT {
            self.tidy();
        }
        Some(row.waiter)
    }

    /// Takes one from wherever it is.
    pub(super) fn take(&mut self, number: u64) -> Option<Waiter> {
        let index = self.index(number)?;
        if index == 0 {
            return self.pop(End::Oldest);
        }
        if index == self.rows.len() - 1 {
            return self.pop(End::Newest);
        }
        let row = &mut self.rows[index];
        row.has_left = true;
        let Waiter { permits, passes, .. } = row.waiter;
        let waker = row.waiter.waker.take();
        self.gaps += 1;
        self.close_gaps();
        Some(Waiter { number, permits, waker, passes })
    }

    fn index(&self, number: u64) -> Option<usize> {
        let index = self.rows.binary_search_by_key(&number, |row| row.waiter.number).ok()?;
        (!self.rows[index].has_left).then_some(index)
    }

    /// Has no more gaps than those who wait, but for a few.
    fn close_gaps(&mut self) {
        if self.gaps > KEPT && self.gaps > self.len() {
            self.rows.retain(|row| !row.has_left);
            self.gaps = 0;
        }
    }

    /// Has no gap at an end, and no more memory than those who wait call for.
    #[inline(never)]
    fn tidy(&mut self) {
        while self.rows.pop_front_if(|row| row.has_left).is_some()
            || self.rows.pop_back_if(|row| row.has_left).is_some()
        {
            self.gaps -= 1;
        }
        self.close_gaps();
        if self.rows.capacity() > KEPT && self.rows.len() < self.rows.capacity() / 4 {
            self.rows.shrink_to(self.rows.capacity() / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Comes,
        Leaves(usize),
        IsServed(End),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => Just(Step::Comes),
            5 => any::<usize>().prop_map(Step::Leaves),
            1 => any::<bool>().prop_map(|newest| {
                Step::IsServed(if newest { End::Newest } else { End::Oldest })
            }),
        ];
        prop::collection::vec(step, 1..1500)
    }

    fn waiter(number: u64) -> Waiter {
        Waiter { number, permits: number as usize % 7, waker: None, passes: 0 }
    }

    proptest! {
        /// Beside a map in the order of its keys, which has no gaps.
        #[test]
        fn it_is_a_map_in_the_order_of_numbers(steps in steps()) {
            let (mut level, mut model) = (Level::default(), BTreeMap::new());
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Comes => {
                        let waiter = waiter(number as u64);
                        model.insert(waiter.number, waiter.permits);
                        level.push(waiter);
                    }
                    Step::Leaves(which) => {
                        let number = model.keys().nth(which % model.len().max(1)).copied();
                        let gone = number.map(|number| level.take(number).unwrap().permits);
                        prop_assert_eq!(gone, number.and_then(|number| model.remove(&number)));
                        prop_assert!(number.is_none_or(|number| level.find(number).is_none()));
                    }
                    Step::IsServed(end) => {
                        let served = level.pop(end).map(|waiter| (waiter.number, waiter.permits));
                        let expected = match end {
                            End::Oldest => model.pop_first(),
                            End::Newest => model.pop_last(),
                        };
                        prop_assert_eq!(served, expected);
                    }
                }
                prop_assert_eq!(level.len(), model.len());
                prop_assert!(level.gaps <= KEPT.max(level.len()));
                prop_assert_eq!(level.at(End::Oldest).map(|first| first.number), model.keys().next().copied());
                prop_assert_eq!(level.at(End::Newest).map(|last| last.number), model.keys().last().copied());
            }
            let mut numbers: Vec<u64> = level.iter_from(End::Oldest).map(|waiter| waiter.number).collect();
            prop_assert!(numbers.iter().eq(model.keys()));
            numbers.reverse();
            prop_assert!(level.iter_from(End::Newest).map(|waiter| waiter.number).eq(numbers));
        }
    }

    #[test]
    fn a_burst_gives_its_memory_back_however_it_goes() {
        let goes: [fn(&mut Level, u64); 3] = [
            |level, _| drop(level.pop(End::Oldest)),
            |level, _| drop(level.pop(End::Newest)),
            // Every other one from the front, then the rest.
            |level, number| {
                let number = if number < 50_000 { 2 * number + 1 } else { 2 * (number - 50_000) };
                level.take(number).unwrap();
            },
        ];
        for goes in goes {
            let mut level = Level::default();
            (0..100_000).for_each(|number| level.push(waiter(number)));
            (0..100_000).for_each(|number| goes(&mut level, number));
            assert_eq!((level.len(), level.gaps), (0, 0));
            assert!(level.rows.capacity() <= 2 * KEPT, "{}", level.rows.capacity());
        }
    }

    #[test]
    fn who_waits_long_keeps_no_memory_for_those_who_leave_behind_it() {
        let mut level = Level::default();
        level.push(waiter(0));
        for number in (1..100_000).step_by(2) {
            level.push(waiter(number));
            level.push(waiter(number + 1));
            level.take(number).unwrap();
            if number > 40 {
                level.take(number - 40).unwrap_or_else(|| level.take(number - 39).unwrap());
            }
        }
        assert!(level.rows.capacity() <= 8 * KEPT, "{}", level.rows.capacity());
    }
}
