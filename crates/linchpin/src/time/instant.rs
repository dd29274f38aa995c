//! A monotonic instant in eight bytes.

use std::fmt;
use std::num::NonZeroU64;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A moment of the process's monotonic clock, in nanoseconds. `Copy`, eight bytes, and as many where it is optional.
///
/// Reads the processor's counter ([`quanta`](https://docs.rs/quanta)), under the feature `testing` tokio's clock
/// instead, which a test pauses and advances. Comparing instants of two runtimes with paused clocks is meaningless.
///
/// Arithmetic saturates: an instant never wraps, and the difference to a later instant is zero.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Instant(NonZeroU64);

/// 146 years: far enough for "never", near enough for tokio to add.
const FOREVER: NonZeroU64 = NonZeroU64::new(u64::MAX >> 2).expect("not zero");

impl Instant {
    /// Now.
    #[must_use]
    #[inline]
    pub fn now() -> Self {
        Self(NonZeroU64::MIN.saturating_add(source::nanos()))
    }

    /// How long ago this was; zero if it lies ahead.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now() - self
    }

    /// The instant as one word, for an atomic.
    pub(crate) fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// The instant of [`to_bits`](Self::to_bits).
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
    }

    /// [`elapsed`](Self::elapsed) between the two, in nanoseconds.
    pub(crate) fn nanos_since(self, earlier: Self) -> u64 {
        self.0.get().saturating_sub(earlier.0.get())
    }

    /// The same moment for tokio's timers.
    #[must_use]
    pub fn into_tokio(self) -> tokio::time::Instant {
        self.into_tokio_at(Self::now())
    }

    /// The same where it is known what the time is.
    pub(crate) fn into_tokio_at(self, now: Self) -> tokio::time::Instant {
        let tokio_now = tokio::time::Instant::now();
        if self >= now { tokio_now + (self - now) } else { tokio_now }
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos).min(FOREVER))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instant({:?})", Duration::from_nanos(self.0.get()))
    }
}

#[cfg(not(feature = "testing"))]
mod source {
    use std::sync::LazyLock;

    /// The counter and its reading at the first use, which is the origin of all instants.
    static CLOCK: LazyLock<(quanta::Clock, u64)> = LazyLock::new(|| {
        let clock = quanta::Clock::new();
        let origin = clock.raw();
        (clock, origin)
    });

    #[inline]
    pub(super) fn nanos() -> u64 {
        let (clock, origin) = &*CLOCK;
        clock.delta_as_nanos(*origin, clock.raw())
    }
}

#[cfg(feature = "testing")]
mod source {
    use std::sync::LazyLock;
    use std::time::Duration;

    use tokio::runtime::Handle;

    /// An hour before the first use: a paused runtime may have stopped its clock before that.
    static ORIGIN: LazyLock<tokio::time::Instant> = LazyLock::new(|| {
        let now = now();
        now.checked_sub(Duration::from_hours(1)).unwrap_or(now)
    });

    pub(super) fn nanos() -> u64 {
        now().saturating_duration_since(*ORIGIN).as_nanos() as u64
    }

    #[expect(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "what tokio reads where no clock is paused"
    )]
    fn now() -> tokio::time::Instant {
        match Handle::try_current() {
            // A thread that is ending has no runtime any more, and tokio's clock panics there.
            Err(error) if error.is_thread_local_destroyed() => std::time::Instant::now().into(),
            _ => tokio::time::Instant::now(),
        }
    }
}
