//! How much it matters that a request is answered, when not all can be.

use std::fmt;

/// How much it matters that a request is answered, when not all can be: its criticality.
///
/// It is said once, where the request comes in, from what is known of it there, and goes with all that is done for it. A
/// [`Context`](crate::Context) carries it as one of its values, under this type:
///
/// ```
/// # use linchpin::{Context, resilience::Priority};
/// let ctx = Context::root().with_value(Priority::Sheddable);
/// assert_eq!(ctx.get::<Priority>(), Some(&Priority::Sheddable));
/// assert!(Priority::Sheddable < Priority::default());
/// ```
///
/// The less critical is given up first. These are the four classes of Google's SRE book. How urgent a job of a pool is,
/// where all are done in the end, is [`task::pool::Priority`](crate::task::pool::Priority).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Priority {
    /// Nobody waits for it, and it may fail for hours: a report, a refresh of a cache.
    Sheddable,
    /// It is tried again by itself if it fails now: work in batches.
    SheddablePlus,
    /// Somebody waits for it. What is meant unless said otherwise.
    #[default]
    Critical,
    /// If it fails users notice at once, and badly: keep these few.
    CriticalPlus,
}

impl Priority {
    /// All of them, the least critical first.
    pub const ALL: [Self; 4] =
        [Self::Sheddable, Self::SheddablePlus, Self::Critical, Self::CriticalPlus];

    /// The word for headers, logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sheddable => "sheddable",
            Self::SheddablePlus => "sheddable_plus",
            Self::Critical => "critical",
            Self::CriticalPlus => "critical_plus",
        }
    }

    /// Which one [`as_str`](Self::as_str) says `word` of. `None` for any other word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.as_str() == word)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_word_and_they_are_in_order() {
        assert!(Priority::ALL.is_sorted());
        for priority in Priority::ALL {
            assert_eq!(Priority::named(&priority.to_string()), Some(priority));
        }
        assert_eq!(Priority::named("urgent"), None);
    }
}
