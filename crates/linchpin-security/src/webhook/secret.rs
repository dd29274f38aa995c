//! The key that a sender shares with one receiver.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;

use crate::secret::SecretString;

/// A symmetric key, written `whsec_` and the standard base64 of 24 to 75 bytes.
///
/// `Debug` does not show it, there is no `Display`, and its memory is zeroed on drop. Give every endpoint its own.
#[derive(Clone)]
pub struct Secret(SecretString);

/// The text is not a webhook secret. The text itself is not in the error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ParseSecretError {
    /// What follows the prefix is not standard base64 with padding.
    Encoding,
    /// The key is shorter than 24 or longer than 75 bytes.
    Length {
        /// How long it is.
        bytes: usize,
    },
    /// It does not begin with `whsec_`.
    Prefix,
}

// ===== impl Secret =====

impl Secret {
    /// A new secret of 32 bytes from the system's cryptographic generator.
    ///
    /// # Panics
    ///
    /// If that generator fails: there is nothing safe to go on with.
    #[must_use]
    pub fn generate() -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rand::fill(&mut *key).expect("the operating system gives random bytes");
        Self(format!("{PREFIX}{}", Zeroizing::new(STANDARD.encode(*key)).as_str()).into())
    }

    /// The text with its prefix, as it is shown to the receiver and stored.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The key, made ready once; aws-lc wipes it on drop.
    pub(super) fn key(&self) -> hmac::Key {
        let bytes = decode(self.expose()).expect("checked when the secret was made");
        hmac::Key::new(hmac::HMAC_SHA256, &bytes)
    }
}

impl FromStr for Secret {
    type Err = ParseSecretError;

    fn from_str(text: &str) -> Result<Self, ParseSecretError> {
        let bytes = decode(text)?.len();
        if LENGTHS.contains(&bytes) {
            Ok(Self(text.into()))
        } else {
            Err(ParseSecretError::Length { bytes })
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{:?}", self.0)
    }
}

// ===== impl ParseSecretError =====

impl fmt::Display for ParseSecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoding => {
                write!(f, "a webhook secret is `{PREFIX}` and standard base64 with its padding")
            }
            Self::Length { bytes } => {
                let (least, most) = (LENGTHS.start(), LENGTHS.end());
                write!(f, "a webhook secret has {least} to {most} bytes, this one has {bytes}")
            }
            Self::Prefix => write!(f, "a webhook secret begins with `{PREFIX}`"),
        }
    }
}

impl std::error::Error for ParseSecretError {}

fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, ParseSecretError> {
    let encoded = text.strip_prefix(PREFIX).ok_or(ParseSecretError::Prefix)?;
    STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| ParseSecretError::Encoding)
}

const PREFIX: &str = "whsec_";
/// The scheme says 64 at most; svix accepts 75, and its users bring theirs along.
const LENGTHS: RangeInclusive<usize> = 24..=75;
