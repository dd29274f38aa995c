//! The name of a request.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use crate::time::Timestamp;

/// The name of a request, the same in every process that works for it. Cheap to clone.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct RequestId(Arc<str>);

/// The text is not 1 to 128 visible ASCII characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BadRequestId {
    /// How many bytes it has.
    pub length: usize,
}

const LONGEST: usize = 128;

impl RequestId {
    /// A new one: unique among processes by their start, and inside by a count.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        static START: LazyLock<u64> = LazyLock::new(|| {
            Timestamp::now().as_micros() as u64 ^ (u64::from(std::process::id()) << 40)
        });
        // Only uniqueness matters, so relaxed is enough.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self(format!("{:x}-{:x}", *START, COUNT.fetch_add(1, Ordering::Relaxed)).into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = BadRequestId;

    fn from_str(text: &str) -> Result<Self, BadRequestId> {
        let fits =
            (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(BadRequestId { length: text.len() }) }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BadRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.length;
        write!(
            f,
            "a request id is 1 to {LONGEST} visible ASCII characters, this has {length} bytes"
        )
    }
}

impl std::error::Error for BadRequestId {}
