//! What is wrong with keys, and with what they should open.

use std::fmt;

use linchpin::{Error, Kind};

use super::LONGEST_ID;
use crate::secret::Weak;

/// The text is not a keyring. Nothing of the text is in the error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ParseKeyringError {
    /// Which of the keys it is, counted from 1.
    pub position: usize,
    /// What is wrong with it.
    pub fault: KeyFault,
}

/// Why something is not a key of a keyring.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeyFault {
    /// The id is empty, longer than 16 characters or has others than `a-z`, `0-9` and `-` in it.
    BadId,
    /// An earlier key has the same id.
    DuplicateId,
    /// What follows the id is not standard base64 with padding.
    Encoding,
    /// The key is not 32 bytes.
    Length {
        /// How long it is.
        bytes: usize,
    },
    /// There is no colon, which parts the id from the key.
    NoColon,
    /// Nobody drew this key at random.
    Weak(Weak),
}

/// The text cannot be opened. Neither the text nor the context is in the error.
///
/// What a database of ours holds is ours to know: at a seam it is a [`Kind::Internal`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum OpenError {
    /// It is not a sealed text, or was cut off.
    Malformed,
    /// It was changed, belongs to another place, or its key's id now names another key. Which of them cannot be told.
    Refused,
    /// Its key is not on the ring.
    UnknownKey {
        /// The id of that key, which the ring must get back.
        id: String,
    },
}

// ===== impl ParseKeyringError =====

impl fmt::Display for ParseKeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} of the keyring: {}", self.position, self.fault)
    }
}

impl std::error::Error for ParseKeyringError {}

// ===== impl KeyFault =====

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadId => write!(f, "its id is not 1 to {LONGEST_ID} of a-z, 0-9 and -"),
            Self::DuplicateId => f.write_str("an earlier key has the same id"),
            Self::Encoding => f.write_str("it is not standard base64 with its padding"),
            Self::Length { bytes } => write!(f, "it has {bytes} bytes, 32 are needed"),
            Self::NoColon => f.write_str("it is not an id, a colon and a key"),
            Self::Weak(weak) => write!(f, "it is too weak, {weak}"),
        }
    }
}

impl std::error::Error for KeyFault {}

// ===== impl OpenError =====

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("this is not a sealed text"),
            Self::Refused => {
                f.write_str("the sealed text was changed, or belongs to another place or key")
            }
            Self::UnknownKey { id } => {
                write!(f, "the text was sealed with the key `{id}`, which is not on the keyring")
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        Self::new(Kind::Internal, error)
    }
}
