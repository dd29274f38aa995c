//! What a lock tells, and how it reads.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// A mistake with locks, with the lines that made it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Report {
    /// Locks were taken in orders that close a circle: threads that do so at the same time wait for one another for
    /// ever. The order that closed it is the first; each takes what the next one holds, and the last what the first
    /// holds.
    Inversion(Vec<Order>),
    /// A thread took a lock that it holds. It would wait for itself, or, where it reads twice, for a writer that waits
    /// for it.
    Relock(Order),
    /// A future waited with the lock in hand: whoever else wants it blocks its thread meanwhile, perhaps the very one
    /// that would let the future go on.
    AcrossAwait(Taken),
    /// A lock was held for long.
    #[non_exhaustive]
    LongHold {
        /// The lock.
        taken: Taken,
        /// How long.
        lasted: Duration,
        /// As long as this it may not be.
        bound: Duration,
    },
}

/// One lock was taken while another was held.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Order {
    /// What was held.
    pub held: Taken,
    /// What was taken then.
    pub then: Taken,
    /// The name of the thread.
    pub thread: Arc<str>,
}

/// A lock, and how it was taken.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Taken {
    /// Its name, if it was given one.
    pub name: Option<&'static str>,
    /// The line that made it.
    pub made: &'static Location<'static>,
    /// The line that took it.
    pub site: &'static Location<'static>,
    /// What for.
    pub access: Access,
    /// Which one it is: unique in the process.
    pub number: u64,
}

/// What a lock is taken for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Access {
    /// A mutex has but one way.
    Lock,
    /// To read, beside other readers.
    Read,
    /// To write, alone.
    Write,
}

/// What makes locks alike.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum LockKind {
    Named(&'static str),
    MadeAt(&'static Location<'static>),
}

// ===== impl Report =====

impl Report {
    /// Its label where reports are counted: `inversion`, `relock`, `across_await` or `long_hold`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Inversion(_) => "inversion",
            Self::Relock(_) => "relock",
            Self::AcrossAwait(_) => "across_await",
            Self::LongHold { .. } => "long_hold",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inversion(orders) => {
                f.write_str("potential deadlock: these orders close a circle")?;
                orders.iter().try_for_each(|order| write!(f, "\n  {order}"))
            }
            Self::Relock(order) => {
                let hint = match (order.held.access, order.then.access) {
                    (Access::Read, Access::Read) => "hangs if a writer comes between",
                    _ => "waits for itself",
                };
                write!(f, "a thread {hint}\n  {order}")
            }
            Self::AcrossAwait(taken) => {
                write!(f, "a future waits with {taken} in hand\n  {}", taken.place("taken"))
            }
            Self::LongHold { taken, lasted, bound } => {
                let place = taken.place("taken");
                write!(f, "{taken} was held for {lasted:?}, the bound is {bound:?}\n  {place}")
            }
        }
    }
}

// ===== impl Order, Taken, Access =====

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { held, then, thread } = self;
        let verb = match then.access {
            Access::Lock => "takes",
            Access::Read => "reads",
            Access::Write => "writes",
        };
        write!(f, "{} {verb} {then}", then.site)?;
        if held.number == then.number {
            write!(f, ", {}", held.place("which it holds"))?;
        } else if held.kind().is_some() && held.kind() == then.kind() {
            // Of one kind: only their numbers tell them apart.
            write!(f, " #{}, holding #{}, {}", then.number, held.number, held.place("taken"))?;
        } else {
            write!(f, ", holding {held}, {}", held.place("taken"))?;
        }
        write!(f, ", in thread `{thread}`")
    }
}

impl Taken {
    /// Its kind. A line of std made it where the constructor was handed on, as in `map(Mutex::new)` and `or_default()`:
    /// that is many a lock's line and says nothing.
    pub(super) fn kind(&self) -> Option<LockKind> {
        const STD: [&str; 3] = ["/library/core/src/", "/library/alloc/src/", "/library/std/src/"];
        let made = self.made;
        match self.name {
            Some(name) => Some(LockKind::Named(name)),
            None if STD.iter().any(|part| made.file().contains(part)) => None,
            None => Some(LockKind::MadeAt(made)),
        }
    }

    fn place(&self, what: &str) -> String {
        let way = match self.access {
            Access::Lock => "",
            Access::Read => " to read",
            Access::Write => " to write",
        };
        format!("{what}{way} at {}", self.site)
    }
}

/// What the lock is called.
impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Some(LockKind::Named(name)) => write!(f, "`{name}`"),
            Some(LockKind::MadeAt(line)) => write!(f, "the lock of {line}"),
            None => write!(f, "lock #{}", self.number),
        }
    }
}
