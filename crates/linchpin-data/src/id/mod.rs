//! Ids that sort by the moment they were made: 20 bytes, or a prefix and 27 letters.
//!
//! The layout is that of a KSUID with milliseconds: four bytes of seconds since 2014-05-13, one byte
//! of four-millisecond steps within the second, fifteen random bytes. Bytes and text sort alike, and
//! both sort by time, so an index on the id is an index on time: [`Id::min_at`] and [`Id::max_at`]
//! give the ends of a range.

mod base62;
#[cfg(feature = "sqlite")]
mod column;

use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use linchpin::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The Unix time, in seconds, from which ids count: 2014-05-13T16:53:20Z.
const EPOCH: i64 = 1_400_000_000;
const MICROS: i64 = 1_000_000;
/// One step of the fifth byte.
const STEP_MICROS: i64 = 4_000;

/// Says what an [`Id`] names, by the prefix of its text.
///
/// ```
/// struct App;
/// impl linchpin_data::id::Tag for App {
///     const PREFIX: &'static str = "app_";
/// }
/// ```
pub trait Tag {
    /// What the text of the id starts with, separator included: `"app_"`.
    const PREFIX: &'static str;
}

/// An id of a `T`: 20 bytes that sort by time, written as `T`'s prefix and 27 letters of base62.
///
/// Ids of different tags are different types. The random part is not a secret: it makes ids unique,
/// it does not authorize anyone. With feature `sqlite` an id is stored as `BLOB` of 20 bytes.
pub struct Id<T> {
    bytes: [u8; 20],
    tag: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// Builds an id from its parts.
    ///
    /// The moment is kept in steps of four milliseconds, rounded down. Moments outside 2014-05-13 to
    /// 2150-06-19 take the nearest one inside, so that order never turns around.
    pub fn new(at: Timestamp, random: [u8; 15]) -> Self {
        const FIRST: i64 = EPOCH * MICROS;
        const LAST: i64 = (EPOCH + u32::MAX as i64) * MICROS + MICROS - 1;
        let micros = at.as_micros().clamp(FIRST, LAST) - FIRST;
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&((micros / MICROS) as u32).to_be_bytes());
        bytes[4] = (micros % MICROS / STEP_MICROS) as u8;
        bytes[5..].copy_from_slice(&random);
        Self::from_bytes(bytes)
    }

    /// Makes a fresh id for this moment, with 120 random bits from the operating system.
    ///
    /// # Panics
    ///
    /// If the operating system has no random bytes to give, which a running one always has.
    pub fn at(at: Timestamp) -> Self {
        Self::new(at, random())
    }

    /// The smallest id of this moment's four milliseconds: the inclusive start of a range.
    pub fn min_at(at: Timestamp) -> Self {
        Self::new(at, [0; 15])
    }

    /// The greatest id of this moment's four milliseconds: the inclusive end of a range.
    pub fn max_at(at: Timestamp) -> Self {
        Self::new(at, [u8::MAX; 15])
    }

    /// Takes the 20 bytes as they are stored; every value is an id.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self { bytes, tag: PhantomData }
    }

    /// The 20 bytes as they are stored.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.bytes
    }

    /// When the id was made, to four milliseconds.
    pub fn timestamp(&self) -> Timestamp {
        let [a, b, c, d, step, ..] = self.bytes;
        let seconds = EPOCH + i64::from(u32::from_be_bytes([a, b, c, d]));
        Timestamp::from_micros(seconds * MICROS + i64::from(step) * STEP_MICROS)
    }
}

/// Fifteen bytes of the operating system's generator, fetched 64 ids at a time on each thread.
fn random() -> [u8; 15] {
    struct Supply {
        bytes: [u8; 15 * 64],
        used: usize,
    }
    thread_local! {
        static SUPPLY: RefCell<Supply> = const { RefCell::new(Supply { bytes: [0; 15 * 64], used: 15 * 64 }) };
    }
    SUPPLY.with_borrow_mut(|supply| {
        if supply.used == supply.bytes.len() {
            getrandom::fill(&mut supply.bytes).expect("the operating system gives random bytes");
            supply.used = 0;
        }
        let mut random = [0; 15];
        random.copy_from_slice(&supply.bytes[supply.used..supply.used + 15]);
        supply.used += 15;
        random
    })
}

impl<T: Tag> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::PREFIX)?;
        f.write_str(base62::Text::encode(&self.bytes).as_str())
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", base62::Text::encode(&self.bytes).as_str())
    }
}

impl<T: Tag> FromStr for Id<T> {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits =
            text.strip_prefix(T::PREFIX).ok_or(ParseError::WrongPrefix { expected: T::PREFIX })?;
        base62::decode(digits).map(Self::from_bytes).ok_or(ParseError::Malformed)
    }
}

/// Why a text is not an id of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseError {
    /// After the prefix come not 27 base62 letters, or letters that exceed 20 bytes.
    Malformed,
    /// The text starts with another prefix, or with none.
    WrongPrefix {
        /// The prefix of the wanted kind.
        expected: &'static str,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => {
                f.write_str("malformed id: the prefix is followed by 27 letters and digits")
            }
            Self::WrongPrefix { expected } => {
                write!(f, "wrong kind of id: expected `{expected}...`")
            }
        }
    }
}

impl std::error::Error for ParseError {}

impl<T: Tag> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: Tag> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<fn() -> T>);

        impl<T: Tag> serde::de::Visitor<'_> for Visitor<T> {
            type Value = Id<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an id such as {}...", T::PREFIX)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Id<T>, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Visitor(PhantomData))
    }
}

// Written out, since a derive would ask the same of the tag, which is never a value.

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T> Eq for Id<T> {}

impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}
