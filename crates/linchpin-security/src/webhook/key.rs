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
/// It verifies and cannot sign, so it is no secret. Take it from the sender over a way that you trust. Keys under which
/// anybody can sign, the points of small order, are refused; with bytes that are no key at all nothing verifies.
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
    /// The public key is a point of small order, under which signatures of nobody verify.
    Weak,
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

    /// Whether a multiple of it by at most eight is nothing. The sign, in the highest bit, does not matter.
    fn has_small_order(&self) -> bool {
        let mut y = self.0;
        y[31] &= 0x7f;
        SMALL_ORDER.contains(&y)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for PublicKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let encoded = PUBLIC.encoded(text).ok_or(ParseKeyError::Prefix { expected: "`whpk_`" })?;
        let key = Self::new(&PUBLIC.decode(encoded)?);
        if key.has_small_order() { Err(ParseKeyError::Weak) } else { Ok(key) }
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
            Self::Weak => f.write_str("the webhook key is one under which anybody can sign"),
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

/// The points whose order is at most eight, by the one coordinate that a key is written as, the lowest byte first: those of
/// order 4, 1, 2 and 8, and the first two with the prime of the field added, which names them once more.
const SMALL_ORDER: [[u8; ED25519_PUBLIC_KEY_LEN]; 7] = [
    padded(0x00, 0x00, 0x00),
    padded(0x01, 0x00, 0x00),
    padded(0xec, 0xff, 0x7f),
    padded(0xed, 0xff, 0x7f),
    padded(0xee, 0xff, 0x7f),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// A coordinate whose bytes are all `filling` but the first and the last.
const fn padded(first: u8, filling: u8, last: u8) -> [u8; ED25519_PUBLIC_KEY_LEN] {
    let mut bytes = [filling; ED25519_PUBLIC_KEY_LEN];
    bytes[0] = first;
    bytes[ED25519_PUBLIC_KEY_LEN - 1] = last;
    bytes
}
