//! How a list is walked: which rows, in which direction, and when it is done. The only place that knows.
//!
//! A list has an order. Its rows are read in that order, or against it when the caller goes back; one row more than
//! asked for says whether there is another page. Keys are ids (which sort by time) or names.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use linchpin::time::Timestamp;
use linchpin_data::Id;
use linchpin_data::id::Tag;
use rusqlite::ToSql;

use crate::model::page::Page;

/// What a list is sorted by.
pub trait Key: ToSql + Ord + Clone + Display + FromStr + Send + 'static {
    /// Sorts before every key that is in use.
    fn lowest() -> Self;
    /// Sorts after every key that is in use.
    fn highest() -> Self;
}

impl<T: Tag + 'static> Key for Id<T> {
    fn lowest() -> Self {
        Self::from_bytes([0; 20])
    }

    fn highest() -> Self {
        Self::from_bytes([u8::MAX; 20])
    }
}

impl Key for String {
    fn lowest() -> Self {
        Self::new()
    }

    fn highest() -> Self {
        char::MAX.into()
    }
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// Lowest key first; for ids the oldest.
    Ascending,
    /// Highest key first; for ids the newest.
    Descending,
}

/// Where to go on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cursor<K> {
    /// With what comes after this key in list order.
    After(K),
    /// With what comes before it, the nearest rows.
    Before(K),
}

/// The text is not an iterator of this list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoCursor;

/// One page to read: `limit` rows between two keys, in list order or against it.
#[derive(Clone, Debug)]
pub struct Walk<K> {
    limit: usize,
    order: Order,
    back: bool,
    cursor: Option<Cursor<K>>,
    low: K,
    high: K,
}

/// Rows between two moments, both exclusive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// Rows are later than this.
    pub after: Timestamp,
    /// Rows are earlier than this.
    pub before: Timestamp,
}

/// The id of a row that lies between these two is in a [`Window`] for certain. Of others the exact time is looked at,
/// which stands in a row behind what is large.
#[derive(Clone, Copy, Debug)]
pub(super) struct Certain<T> {
    pub(super) after: Id<T>,
    pub(super) before: Id<T>,
}

/// The longest stretch of time that one walk covers.
const SPAN: Duration = Duration::from_hours(90 * 24);
/// How far clocks of other machines may be ahead.
const AHEAD: Duration = Duration::from_hours(1);

// ===== impl Cursor =====

impl<K: Key> FromStr for Cursor<K> {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let parse = |text: &str| text.parse().map_err(|_| NoCursor);
        match text.strip_prefix('-') {
            Some(text) => parse(text).map(Self::Before),
            None => parse(text).map(Self::After),
        }
    }
}

// ===== impl Walk =====

impl<K: Key> Walk<K> {
    /// At most `limit` rows from `cursor` on, or from the start of the list.
    #[must_use]
    pub fn new(limit: usize, order: Order, cursor: Option<Cursor<K>>) -> Self {
        let back = matches!(cursor, Some(Cursor::Before(_)));
        let mut walk = Self { limit, order, back, cursor, low: K::lowest(), high: K::highest() };
        if let Some(Cursor::After(key) | Cursor::Before(key)) = walk.cursor.clone() {
            if walk.ascends() {
                walk.low = key;
            } else {
                walk.high = key;
            }
        }
        walk
    }

    /// Keys of rows are greater than this.
    pub fn low(&self) -> &K {
        &self.low
    }

    /// Keys of rows are less than this.
    pub fn high(&self) -> &K {
        &self.high
    }

    /// The direction in which rows are read, for `ORDER BY`.
    pub fn direction(&self) -> &'static str {
        if self.ascends() { "ASC" } else { "DESC" }
    }

    /// How many rows are shown at most.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many rows to read, for `LIMIT`: one more than is shown.
    pub fn rows(&self) -> i64 {
        self.limit as i64 + 1
    }

    /// The page of the rows that were read, in the order in which they were read, and whether there are no more.
    pub fn page<T>(&self, mut rows: Vec<T>, done: bool, key: impl Fn(&T) -> K) -> Page<T> {
        if self.back {
            rows.reverse();
        }
        Page {
            iterator: rows.last().map(|row| key(row).to_string()),
            prev_iterator: rows.first().map(|row| format!("-{}", key(row))),
            data: rows,
            done,
        }
    }

    /// The page that ends because it has looked at enough: the list goes on behind `seen`, the first and the last key that it
    /// has looked at.
    pub(super) fn cut<T>(&self, mut page: Page<T>, seen: Option<(K, K)>) -> Page<T> {
        let Some((first, last)) = seen else { return page };
        if self.back {
            page.prev_iterator = Some(format!("-{last}"));
            page.iterator.get_or_insert(first.to_string());
        } else {
            page.iterator = Some(last.to_string());
            page.prev_iterator.get_or_insert(format!("-{first}"));
        }
        page
    }

    fn ascends(&self) -> bool {
        (self.order == Order::Ascending) != self.back
    }
}

impl Window {
    pub(super) fn certain<T: Tag>(&self) -> Certain<T> {
        Certain { after: Id::max_at(self.after), before: Id::min_at(self.before) }
    }
}

impl<T: Tag + 'static> Walk<Id<T>> {
    /// Limits the walk in time, as lists of messages and attempts are.
    ///
    /// With `before`, to the 90 days up to it. With `after`, to the 90 days from it; without a cursor the oldest rows
    /// come then, and the walk goes back, towards newer ones. With both, to what is between. With neither, to the 90
    /// days up to the cursor or `now`. Never further than an hour into the future.
    pub fn within(
        &mut self,
        before: Option<Timestamp>,
        after: Option<Timestamp>,
        now: Timestamp,
    ) -> Window {
        let horizon = now + AHEAD;
        let window = match (before, after) {
            (Some(before), after) => Window {
                after: after.map_or(before - SPAN, |after| after.max(before - SPAN)),
                before: before.min(horizon),
            },
            (None, Some(after)) => {
                self.back |= self.cursor.is_none();
                Window { after, before: (after + SPAN).min(horizon) }
            }
            (None, None) => {
                let from = match &self.cursor {
                    Some(Cursor::After(key)) => key.timestamp(),
                    Some(Cursor::Before(_)) | None => now,
                };
                Window { after: from - SPAN, before: horizon }
            }
        };
        // The ends of the steps that the moments fall in; the exact ones are compared with the rows' own.
        self.low = self.low.max(Id::min_at(window.after));
        self.high = self.high.min(Id::max_at(window.before));
        window
    }
}
