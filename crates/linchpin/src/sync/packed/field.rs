//! Some bits of a word.

/// A number within a word of 64 bits, so many bits wide.
///
/// ```
/// # use linchpin::sync::packed::Field;
/// const PHASE: Field = Field::first(2);
/// const TRIES: Field = PHASE.then(30);
/// let word = PHASE.of(1) | TRIES.of(7);
/// assert_eq!((PHASE.get(word), TRIES.get(word)), (1, 7));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Field {
    shift: u32,
    width: u32,
}

impl Field {
    /// The lowest bits.
    ///
    /// # Panics
    ///
    /// Where a word does not have so many, or it is none; in a constant, that is an error of the compiler.
    #[must_use]
    pub const fn first(width: u32) -> Self {
        Self::at(0, width)
    }

    /// The bits above this field.
    ///
    /// # Panics
    ///
    /// As [`first`](Self::first).
    #[must_use]
    pub const fn then(self, width: u32) -> Self {
        Self::at(self.shift + self.width, width)
    }

    /// A word with `value` in this field, and nothing else.
    ///
    /// # Panics
    ///
    /// If `value` is too large: it would be another field's.
    #[must_use]
    pub const fn of(self, value: u64) -> u64 {
        assert!(value <= self.most(), "the value does not fit into its field");
        value << self.shift
    }

    /// What the field holds in `word`.
    #[must_use]
    pub const fn get(self, word: u64) -> u64 {
        (word >> self.shift) & self.most()
    }

    /// The largest value it holds.
    #[must_use]
    pub const fn most(self) -> u64 {
        u64::MAX >> (64 - self.width)
    }

    const fn at(shift: u32, width: u32) -> Self {
        assert!(width > 0 && shift + width <= 64, "a word has 64 bits");
        Self { shift, width }
    }
}
