//! Text and bytes that must not be printed.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use serde::{Serialize, Serializer};

/// What is shown in place of a secret.
pub const REDACTED: &str = "******";

/// A text that shows itself as [`REDACTED`] wherever it is printed or serialised.
///
/// Its memory is overwritten with zeros when it is dropped. The buffer it was made from is not: read a secret as
/// late, and into as few places, as you can. [`webhook::Secret`](crate::webhook::Secret) is the type for the keys
/// of webhooks.
///
/// ```
/// use linchpin_security::secret::SecretString;
///
/// let token = SecretString::from("correct horse battery staple");
/// assert_eq!(format!("{token} {token:?}"), "****** ******");
/// assert_eq!(token.expose(), "correct horse battery staple");
/// ```
#[derive(Clone, Default)]
pub struct SecretString(secrecy::SecretString);

/// Bytes that show themselves as [`REDACTED`], and are overwritten with zeros when they are dropped.
///
/// [`SecretString`] is the type for text.
#[derive(Clone)]
pub struct SecretBytes(pub(crate) Zeroizing<Vec<u8>>);

/// Why a secret is too weak to guard anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Weak {
    /// Fewer than 8 distinct characters.
    FewDistinct {
        /// How many there are.
        distinct: usize,
    },
    /// A well-known placeholder, or such a word over and over.
    Known,
    /// One character over and over.
    Repeated,
    /// Fewer than 32 bytes.
    Short {
        /// How many there are.
        bytes: usize,
    },
}

/// Judges whether `text` can be a signing key or a main key.
///
/// A floor, not a measure of entropy: it catches placeholders and typing, and cannot tell a random text from a
/// pattern of 32 bytes. Generate secrets; do not invent them.
///
/// # Errors
///
/// [`Weak`] says which rule failed; the text itself is not in it.
pub fn strength(text: &str) -> Result<(), Weak> {
    let mut characters: Vec<char> = text.chars().collect();
    characters.sort_unstable();
    characters.dedup();
    if is_known(text) {
        Err(Weak::Known)
    } else if characters.len() == 1 {
        Err(Weak::Repeated)
    } else if text.len() < MIN_BYTES {
        Err(Weak::Short { bytes: text.len() })
    } else if characters.len() < MIN_DISTINCT {
        Err(Weak::FewDistinct { distinct: characters.len() })
    } else {
        Ok(())
    }
}

// ===== impl SecretString =====

impl SecretString {
    /// The text itself. Every call is a place to look at in a review.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether `other` is the same text, in a time that depends on the lengths only.
    #[must_use]
    pub fn matches(&self, other: &str) -> bool {
        verify_slices_are_equal(self.expose().as_bytes(), other.as_bytes()).is_ok()
    }
}

impl From<String> for SecretString {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for SecretString {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for SecretString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

// ===== impl SecretBytes =====

impl SecretBytes {
    /// The bytes themselves. Every call is a place to look at in a review.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

// ===== impl Weak =====

impl fmt::Display for Weak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FewDistinct { distinct } => {
                write!(
                    f,
                    "it has {distinct} distinct characters, at least {MIN_DISTINCT} are needed"
                )
            }
            Self::Known => f.write_str("it is a well-known placeholder"),
            Self::Repeated => f.write_str("it is one character over and over"),
            Self::Short { bytes } => {
                write!(f, "it has {bytes} bytes, at least {MIN_BYTES} are needed")
            }
        }
    }
}

impl std::error::Error for Weak {}

/// Whether only letters and digits of one known word are left, once or more often.
fn is_known(text: &str) -> bool {
    let plain: String =
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    KNOWN.iter().any(|word| !plain.is_empty() && plain.replace(word, "").is_empty())
}

/// As many as the output of SHA-256 has; RFC 7518 asks for no less with HS256.
const MIN_BYTES: usize = 32;
const MIN_DISTINCT: usize = 8;

const KNOWN: [&str; 12] = [
    "admin",
    "changeit",
    "changeme",
    "default",
    "example",
    "jwtsecret",
    "mysecret",
    "password",
    "placeholder",
    "secret",
    "supersecret",
    "yoursecrethere",
];
