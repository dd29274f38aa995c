//! Numbers with a unit: times and sizes.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::FromSetting;

/// A number of bytes, written with its unit: `1MiB`, `64KiB`, `10MB`, `512B`.
///
/// `KiB`, `MiB` and `GiB` count in 1,024, `kB`, `MB` and `GB` in 1,000. Upper and lower case are the same.
/// `Display` takes the largest binary unit that needs no fraction.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ByteSize(u64);

// ===== impl ByteSize =====

impl ByteSize {
    /// A size of `bytes`.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// How many bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromSetting for ByteSize {
    fn expected() -> Cow<'static, str> {
        "a size with its unit, such as 512B, 64KiB or 1MiB".into()
    }

    fn from_text(text: &str) -> Result<Self, Cow<'static, str>> {
        scaled(text, &SIZES).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, scale) = SIZES[..BINARY]
            .iter()
            .find(|(_, scale)| self.0 != 0 && self.0.is_multiple_of(*scale))
            .unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / scale)
    }
}

/// A whole number and a unit; several units in a row are not taken.
impl FromSetting for Duration {
    fn expected() -> Cow<'static, str> {
        "a time with its unit, such as 250ms, 30s, 5m, 2h or 1d".into()
    }

    fn from_text(text: &str) -> Result<Self, Cow<'static, str>> {
        scaled(text, &TIMES).map(Self::from_millis)
    }
}

/// The whole number `text` begins with, times the scale of the unit it ends with.
fn scaled(text: &str, units: &[(&str, u64)]) -> Result<u64, Cow<'static, str>> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (&text[..digits], text[digits..].trim_start());
    if number.is_empty() {
        return Err("does not begin with a whole number".into());
    }
    if unit.is_empty() {
        return Err("has no unit".into());
    }
    let (_, scale) = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))
        .ok_or("has a unit that is not known")?;
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(*scale))
        .ok_or("is too large".into())
}

const TIMES: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// The first [`BINARY`] ones from the largest down.
const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];
const BINARY: usize = 3;
