//! Who is shed first within a class.

/// Where somebody stands within a class of criticality, from 0 to 99: the lower are shed first.
///
/// Of what belongs to one user either all is served or nothing. If each request were drawn for itself, a page of twenty of
/// them would hardly ever be whole, and the users would try again and again. A
/// [`Context`](crate::Context) carries it as one of its values, so that everybody downstream sheds the same users:
///
/// ```
/// # use linchpin::{Context, resilience::shed::Level};
/// let ctx = Context::root().with_value(Level::of("user-17"));
/// assert_eq!(ctx.get::<Level>(), Some(&Level::of("user-17")));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Level(u8);

/// So many there are.
pub(super) const LEVELS: u8 = 100;

impl Level {
    /// That of a user, an account or whatever is to be served whole: the same for the same name, in every process.
    ///
    /// It is no secret: who may choose a name can choose a high level.
    #[must_use]
    pub fn of(name: &str) -> Self {
        // FNV-1a, whose last bits are stirred once more since they alone are taken.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let stirred = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        Self((stirred % u64::from(LEVELS)) as u8)
    }

    /// That number, if it is below 100.
    #[must_use]
    pub fn new(level: u8) -> Option<Self> {
        (level < LEVELS).then_some(Self(level))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}
