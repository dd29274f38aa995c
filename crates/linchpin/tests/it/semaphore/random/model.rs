//! The rules of a semaphore, as plainly as they can be written.

const PATIENCE: usize = 16;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    Waits,
    Granted,
    Refused,
}

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: usize,
    pub(super) permits: usize,
    level: usize,
    pub(super) fate: Fate,
    /// Passes while it waited, which bound how often it was overtaken in truth.
    passed: usize,
    overtaken: usize,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) limit: i64,
    pub(super) held: i64,
    pub(super) closed: bool,
    pub(super) most: usize,
    pub(super) overtaking: usize,
    /// In the order in which they came.
    pub(super) waiters: Vec<Waiting>,
    pub(super) patience: [usize; 3],
}

impl Model {
    fn fits(&self, permits: usize) -> bool {
        permits as i64 <= self.limit - self.held
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiters.iter().filter(|waiter| waiter.fate == Fate::Waits).count()
    }

    fn first_of(&self, level: usize) -> Option<usize> {
        let is_it = |waiter: &Waiting| waiter.fate == Fate::Waits && waiter.level == level;
        self.waiters.iter().position(is_it)
    }

    pub(super) fn try_acquire(&mut self, permits: usize) -> bool {
        let free = permits == 0 || self.waiting() == 0 && self.fits(permits);
        let taken = free && !self.closed;
        self.held += if taken { permits as i64 } else { 0 };
        taken
    }

    /// What becomes of a newcomer at once, `Waits` if it stays.
    pub(super) fn acquire(&mut self, id: usize, permits: usize, level: usize) -> Fate {
        if self.try_acquire(permits) {
            return Fate::Granted;
        }
        if self.closed || permits as i64 > self.limit || self.most == 0 {
            return Fate::Refused;
        }
        let fate = Fate::Waits;
        self.waiters.push(Waiting { id, permits, level, fate, passed: 0, overtaken: 0 });
        self.serve();
        let last = self.waiters.len() - 1;
        if self.waiters[last].fate == Fate::Granted {
            self.waiters.pop();
            return Fate::Granted;
        }
        if self.waiting() > self.most {
            self.waiters.pop();
            self.serve();
            return Fate::Refused;
        }
        Fate::Waits
    }

    pub(super) fn release(&mut self, permits: usize) {
        self.held -= permits as i64;
        self.serve();
    }

    pub(super) fn resize(&mut self, limit: i64) {
        self.limit = limit;
        self.refuse(|waiter| waiter.permits as i64 > limit);
        self.serve();
    }

    pub(super) fn forget(&mut self, permits: usize) {
        let owed = (self.held - self.limit).clamp(0, permits as i64);
        self.held -= permits as i64;
        self.resize(self.limit - (permits as i64 - owed));
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        self.refuse(|_| true);
    }

    fn refuse(&mut self, is_refused: impl Fn(&Waiting) -> bool) {
        for waiter in &mut self.waiters {
            if waiter.fate == Fate::Waits && is_refused(waiter) {
                waiter.fate = Fate::Refused;
            }
        }
    }

    /// It is gone, whatever it was.
    pub(super) fn leave(&mut self, id: usize) {
        let at = self.waiters.iter().position(|waiter| waiter.id == id).unwrap();
        let waiter = self.waiters.remove(at);
        self.release(if waiter.fate == Fate::Granted { waiter.permits } else { 0 });
    }

    fn serve(&mut self) {
        loop {
            let levels: Vec<usize> =
                (0..3).filter(|level| self.first_of(*level).is_some()).collect();
            let Some(highest) = levels.first() else { return };
            let overdue = levels[1..].iter().find(|level| self.patience[**level] >= PATIENCE);
            let level = *overdue.unwrap_or(highest);
            let first = self.first_of(level).unwrap();
            if self.fits(self.waiters[first].permits) {
                for waits in levels {
                    self.patience[waits] += 1;
                }
                self.patience[level] = 0;
                self.grant(first);
                continue;
            }
            let waits = |at: &usize| self.waiters[*at].fate == Fate::Waits && *at != first;
            let mut behind: Vec<usize> = (0..self.waiters.len()).filter(waits).collect();
            behind.sort_by_key(|at| self.waiters[*at].level);
            behind.truncate(self.overtaking);
            let passer = behind.into_iter().find(|at| self.fits(self.waiters[*at].permits));
            let waiting = self.waiters.iter().filter(|waiter| waiter.fate == Fate::Waits);
            let worn_out = waiting.map(|waiter| waiter.passed).max() >= Some(self.overtaking);
            let Some(passer) = passer.filter(|_| !worn_out) else { return };
            self.waiters.iter_mut().for_each(|waiter| waiter.passed += 1);
            self.grant(passer);
        }
    }

    fn grant(&mut self, at: usize) {
        self.held += self.waiters[at].permits as i64;
        self.waiters[at].fate = Fate::Granted;
        let level = self.waiters[at].level;
        for before in &mut self.waiters[..at] {
            if before.fate == Fate::Waits && before.level == level {
                before.overtaken += 1;
                assert!(before.overtaken <= self.overtaking, "{before:?}");
            }
        }
    }
}
