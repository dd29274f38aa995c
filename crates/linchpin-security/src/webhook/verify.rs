//! Checking signatures.

use std::cell::LazyCell;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linchpin::time::Timestamp;
use linchpin::{Error, Kind};

use super::family::{SVIX, WEBHOOK};
use super::secret::Signing;
use super::sign::{V1, V1A, mac, message};
use super::{Key, Names, PublicKey};

/// Checks that a delivery was signed with one of several keys, and recently.
///
/// Several keys are for rotation: the new one beside those that are still honoured.
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<Checking>,
    tolerance: Duration,
}

/// A key made ready. Its kind decides which signatures it looks at, so that none is taken for one of another kind.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "the larger one is the usual one")]
enum Checking {
    Public(ParsedPublicKey),
    Shared(hmac::Key),
}

/// What the signature vouches for, besides the body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Verified<'a> {
    /// The message. The same over retries: drop what you have seen.
    pub id: &'a str,
    /// When the attempt began.
    pub timestamp: Timestamp,
}

/// The delivery is not to be trusted.
///
/// A client is told no more than that it is unauthenticated (see `From<VerifyError> for linchpin::Error`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum VerifyError {
    /// The id is empty or has a full stop in it, which would blur where the id ends.
    BadId,
    /// The timestamp is not a whole number of seconds.
    BadTimestamp,
    /// A header is missing under both of its names.
    MissingHeader {
        /// The first of the names looked for.
        name: &'static str,
    },
    /// No signature of version `v1` or `v1a` belongs to one of the keys.
    NoMatch,
    /// The timestamp is further in the future than the tolerance.
    TooNew,
    /// The timestamp is further in the past than the tolerance: a replay, or a clock that is wrong.
    TooOld,
}

// ===== impl Verifier =====

impl Verifier {
    /// Accepts what any of `keys` vouches for, within 300 seconds. Without a key nothing is accepted.
    ///
    /// The keys are [`Secret`](super::Secret)s, [`PublicKey`]s, or [`Key`]s where they are mixed.
    #[must_use]
    pub fn new<'a, K: Into<Key<'a>>>(keys: impl IntoIterator<Item = K>) -> Self {
        let keys = keys.into_iter().map(|key| Checking::new(key.into())).collect();
        Self { keys, tolerance: Duration::from_mins(5) }
    }

    /// How far the timestamp may be from now, to either side; whole seconds. Default 300 s.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Checks a delivery: `header` finds the value of a header by its name in lower case, `body` is what came
    /// over the wire before any parsing.
    ///
    /// Each header is looked for as `svix-*` first, then as `webhook-*`. Unknown signature versions are passed
    /// over, and so is every `v1a` after the sixteenth, since each costs a look at the whole body. The time it takes
    /// tells nothing about how much of a signature was right.
    ///
    /// # Errors
    ///
    /// The first [`VerifyError`] met: headers, id, timestamp, signature.
    pub fn verify<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Verified<'h>, VerifyError> {
        let find = |part: fn(&Names) -> &'static str| {
            let name = part(&SVIX);
            header(name)
                .or_else(|| header(part(&WEBHOOK)))
                .ok_or(VerifyError::MissingHeader { name })
        };
        let id = find(|names| names.id)?;
        let timestamp = find(|names| names.timestamp)?;
        let signatures = find(|names| names.signature)?;

        if id.is_empty() || id.contains('.') {
            return Err(VerifyError::BadId);
        }
        let seconds = self.recent(timestamp, now)?;
        if self.is_signed(id, timestamp, body, signatures) {
            Ok(Verified { id, timestamp: Timestamp::from_seconds(seconds) })
        } else {
            Err(VerifyError::NoMatch)
        }
    }

    fn recent(&self, timestamp: &str, now: Timestamp) -> Result<i64, VerifyError> {
        let seconds: i64 = timestamp.parse().map_err(|_| VerifyError::BadTimestamp)?;
        let tolerance = i64::try_from(self.tolerance.as_secs()).unwrap_or(i64::MAX);
        let age = now.as_seconds().saturating_sub(seconds);
        if age > tolerance {
            Err(VerifyError::TooOld)
        } else if age < -tolerance {
            Err(VerifyError::TooNew)
        } else {
            Ok(seconds)
        }
    }

    /// One MAC a shared key, however many signatures the header lists, and sixteen trials a public one.
    fn is_signed(&self, id: &str, timestamp: &str, body: &[u8], signatures: &str) -> bool {
        let timestamp = timestamp.as_bytes();
        let whole = LazyCell::new(|| message(id, timestamp, body));
        self.keys.iter().any(|key| match key {
            Checking::Public(key) => of_version(V1A, signatures)
                .take(MOST_TRIED)
                .filter_map(decoded::<64>)
                .any(|signature| key.verify_sig(&whole, &signature).is_ok()),
            Checking::Shared(key) => {
                let expected = mac(key, id, timestamp, body);
                of_version(V1, signatures)
                    .filter_map(decoded::<32>)
                    .any(|tag| verify_slices_are_equal(expected.as_ref(), &tag).is_ok())
            }
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("keys", &self.keys.len())
            .field("tolerance", &self.tolerance)
            .finish()
    }
}

// ===== impl Checking =====

impl Checking {
    fn new(key: Key<'_>) -> Self {
        let public = match key {
            Key::Public(key) => *key,
            Key::Secret(secret) => match secret.signing() {
                Signing::Pair(pair) => PublicKey::of(pair),
                Signing::Shared(key) => return Self::Shared(key.clone()),
            },
        };
        let parsed = ParsedPublicKey::new(&ED25519, public.as_bytes());
        Self::Public(parsed.expect("any 32 bytes are taken for a key"))
    }
}

// ===== impl VerifyError =====

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadId => f.write_str("the message id is empty or has a full stop in it"),
            Self::BadTimestamp => f.write_str("the timestamp is not a whole number of seconds"),
            Self::MissingHeader { name } => write!(f, "the header `{name}` is missing"),
            Self::NoMatch => f.write_str("no signature matches"),
            Self::TooNew => f.write_str("the timestamp is too far in the future"),
            Self::TooOld => f.write_str("the timestamp is too old"),
        }
    }
}

impl std::error::Error for VerifyError {}

impl From<VerifyError> for Error {
    fn from(error: VerifyError) -> Self {
        Self::new(Kind::Unauthenticated, error)
    }
}

/// The signatures of one version, without it. The comma is part of it, so `v1` is no beginning of `v1a`.
fn of_version<'a>(version: &'a str, signatures: &'a str) -> impl Iterator<Item = &'a str> {
    signatures.split(' ').filter_map(move |signature| signature.strip_prefix(version))
}

/// The bytes of a signature that has `LEN`; `None` for what cannot be one.
fn decoded<const LEN: usize>(encoded: &str) -> Option<[u8; LEN]> {
    let mut bytes = [0; LONGEST];
    let length = STANDARD.decode_slice(encoded, &mut bytes).ok()?;
    bytes[..length].try_into().ok()
}

/// How many signatures of version `v1a` are tried with one key: more than a sender has secrets at a time.
const MOST_TRIED: usize = 16;
/// What the base64 of an ed25519 signature may come to before its padding is looked at.
const LONGEST: usize = 66;
