//! Who is next: the higher priority first, and nobody passed over for ever.

/// How often a level may be passed over before it has a turn out of order.
const PATIENCE: u8 = 16;

/// Decides between so many levels of priority, of which the first is the highest.
#[derive(Debug)]
pub(crate) struct Turns<const LEVELS: usize> {
    passed: [u8; LEVELS],
}

impl<const LEVELS: usize> Default for Turns<LEVELS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const LEVELS: usize> Turns<LEVELS> {
    pub(crate) const fn new() -> Self {
        Self { passed: [0; LEVELS] }
    }

    /// The level whose turn it is, of those for which somebody `waits`. The highest level is 0.
    pub(crate) fn look(&self, waits: impl Fn(usize) -> bool) -> Option<usize> {
        let first = (0..LEVELS).find(|level| waits(*level))?;
        let overdue = |level: &usize| waits(*level) && self.passed[*level] >= PATIENCE;
        Some((first + 1..LEVELS).find(overdue).unwrap_or(first))
    }

    /// The level `chosen` has its turn, and the others for which somebody `waits` are passed over.
    pub(crate) fn take(&mut self, chosen: usize, waits: impl Fn(usize) -> bool) {
        for level in 0..LEVELS {
            self.passed[level] = self.passed[level].saturating_add(waits(level).into());
        }
        self.passed[chosen] = 0;
    }

    /// The level whose turn it is, which it has.
    pub(crate) fn next(&mut self, waits: impl Fn(usize) -> bool) -> Option<usize> {
        let chosen = self.look(&waits)?;
        self.take(chosen, waits);
        Some(chosen)
    }
}
