//! How keys are written, and what signatures are checked with.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519_PUBLIC_KEY_LEN, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;

use super::Secret;

/// The half of an ed25519 key pair that a sender gives to its receivers: `whpk_` and the standard base64 of 32 bytes.
///
/// It verifies and cannot sign, so it is no secret. Take it from the sender over a way that you trust: whether the bytes
/// are a sound key is not looked at.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct PublicKey([u8; ED25519_PUBLIC_KEY_LEN]);

/// What a signature is checked with.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// The half that the sender gave away: verifies `v1a`.
    Public(&'a PublicKey),
    /// The sender's own: verifies what it signs.
    Secret(&'a Secret),
}

/// The text is not a webhook key. The text itself is not in the error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ParseKeyError {
    /// What follows the prefix is not standard base64 with padding.
    Encoding,
    /// The key is shorter or longer than its prefix allows: `whsec_` 24 to 75 bytes, `whsk_` 64, `whpk_` 32.
    Length {
        /// How long it is.
        bytes: usize,
        /// The fewest it may have.
        least: usize,
        /// The most it may have.
        most: usize,
    },
    /// The public half of a `whsk_` does not belong to its seed.
    Mismatch,
    /// It begins otherwise.
    Prefix {
        /// How it should begin, in backticks.
        expected: &'static str,
    },
}

/// How a kind of key is written.
pub(super) struct Form {
    pub(super) prefix: &'static str,
    lengths: RangeInclusive<usize>,
}

// ===== impl PublicKey =====

impl PublicKey {
    pub(super) fn of(pair: &Ed25519KeyPair) -> Self {
        Self::new(pair.public_key().as_ref())
    }

    fn new(bytes: &[u8]) -> Self {
        Self(bytes.try_into().expect("an ed25519 public key has 32 bytes"))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for PublicKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let encoded = PUBLIC.encoded(text).ok_or(ParseKeyError::Prefix { expected: "`whpk_`" })?;
        Ok(Self::new(&PUBLIC.decode(encoded)?))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", PUBLIC.prefix, STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

// ===== impl Key =====

impl<'a> From<&'a PublicKey> for Key<'a> {
    fn from(key: &'a PublicKey) -> Self {
        Self::Public(key)
    }
}

impl<'a> From<&'a Secret> for Key<'a> {
    fn from(secret: &'a Secret) -> Self {
        Self::Secret(secret)
    }
}

// ===== impl ParseKeyError =====

impl fmt::Display for ParseKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoding => {
                f.write_str("a webhook key is its prefix and standard base64 with its padding")
            }
            Self::Length { bytes, least, most } if least == most => {
                write!(f, "a webhook key of this kind has {least} bytes, this one has {bytes}")
            }
            Self::Length { bytes, least, most } => {
                write!(f, "a webhook secret has {least} to {most} bytes, this one has {bytes}")
            }
            Self::Mismatch => f.write_str("the halves of the webhook key do not belong together"),
            Self::Prefix { expected } => write!(f, "a webhook key begins with {expected}"),
        }
    }
}

impl std::error::Error for ParseKeyError {}

// ===== impl Form =====

impl Form {
    /// What follows the prefix; `None` if `text` begins otherwise.
    pub(super) fn encoded<'a>(&self, text: &'a str) -> Option<&'a str> {
        text.strip_prefix(self.prefix)
    }

    pub(super) fn decode(&self, encoded: &str) -> Result<Zeroizing<Vec<u8>>, ParseKeyError> {
        let key =
            STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| ParseKeyError::Encoding)?;
        if self.lengths.contains(&key.len()) {
            Ok(key)
        } else {
            let (least, most) = (*self.lengths.start(), *self.lengths.end());
            Err(ParseKeyError::Length { bytes: key.len(), least, most })
        }
    }
}

/// The scheme says 64 at most; svix accepts 75, and its users bring theirs along.
pub(super) const SHARED: Form = Form { prefix: "whsec_", lengths: 24..=75 };
/// A seed and its public key.
pub(super) const PAIR: Form = Form { prefix: "whsk_", lengths: 64..=64 };
const PUBLIC: Form = Form { prefix: "whpk_", lengths: 32..=32 };
