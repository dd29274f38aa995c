//! What a lane costs, and what those that cost much leave to the others.

/// What a lane costs, by how long what was taken of it has been under way.
///
/// Each class has a share of the places, of the items in memory and of their bytes, and the shares lie inside one another:
/// the slow ones together have a quarter, they and the fresh ones a half, all of them the whole. So what is proven always
/// has half for itself, and a newcomer never waits behind the slow. A share is never less than one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// It has answered in time.
    Proven,
    /// Nothing is known of it yet.
    Fresh,
    /// Something of it was under way for too long, and it has not answered in time since.
    Slow,
}

/// Which classes have something left of their share.
pub(super) type Open = [bool; Class::ALL.len()];

/// What there is of something, and how much of it each class has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    whole: usize,
    used: [usize; Class::ALL.len()],
}

// ===== impl Class =====

impl Class {
    pub(super) const ALL: [Self; 3] = [Self::Proven, Self::Fresh, Self::Slow];

    /// What it and the classes behind it may have of a whole.
    pub(super) fn share(self, whole: usize) -> usize {
        match self {
            Self::Proven => whole,
            Self::Fresh => (whole / 2).max(1),
            Self::Slow => (whole / 4).max(1),
        }
    }
}

// ===== impl Shares =====

impl Shares {
    pub(super) fn new(whole: usize) -> Self {
        Self { whole, used: [0; Class::ALL.len()] }
    }

    /// What `class` may still take. What it lies inside of has to have as much.
    pub(super) fn left(&self, class: Class) -> usize {
        let left = |outer: &Class| {
            let used = self.used[*outer as usize..].iter().sum();
            outer.share(self.whole).saturating_sub(used)
        };
        Class::ALL[..=class as usize].iter().map(left).min().unwrap_or_default()
    }

    pub(super) fn open(&self) -> Open {
        Class::ALL.map(|class| self.left(class) > 0)
    }

    pub(super) fn used(&self, class: Class) -> usize {
        self.used[class as usize]
    }

    pub(super) fn take(&mut self, class: Class, many: usize) {
        self.used[class as usize] += many;
    }

    pub(super) fn give(&mut self, class: Class, many: usize) {
        self.used[class as usize] -= many;
    }

    /// A lane changes its class with all that it has, whether or not there is as much left.
    pub(super) fn shift(&mut self, from: Class, to: Class, many: usize) {
        self.give(from, many);
        self.take(to, many);
    }
}
