//! Making signatures.

use std::fmt;
use std::io::Write as _;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Secret;

/// Signs deliveries with one secret.
///
/// The key is set up once, in [`new`](Self::new); a signature then costs two hashes and no allocation of ours.
/// Keep one per endpoint. Cheap to share: `sign` takes `&self`.
#[derive(Clone)]
pub struct Signer {
    key: hmac::Key,
}

/// One signature in the form of the header: `v1,` and 44 characters of base64. `Copy`, 47 bytes.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Signature([u8; Signature::LEN]);

// ===== impl Signer =====

impl Signer {
    /// A signer with `secret`.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        Self { key: secret.key() }
    }

    /// Signs `body`, exactly as it goes over the wire, for the attempt that began at `timestamp` seconds since
    /// the Unix epoch.
    ///
    /// `id` must have no full stop in it and must not be chosen by a user: the full stops are what keeps the
    /// three parts apart. [`Verifier`](super::Verifier) refuses such ids.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Signature {
        let mut digits = [0; MAX_DIGITS];
        let mut rest = &mut digits[..];
        write!(rest, "{timestamp}").expect("twenty characters hold every i64");
        let unused = rest.len();
        Signature::new(mac(&self.key, id, &digits[..MAX_DIGITS - unused], body))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

// ===== impl Signature =====

impl Signature {
    const LEN: usize = VERSION.len() + 44;

    fn new(tag: hmac::Tag) -> Self {
        let mut text = [0; Self::LEN];
        text[..VERSION.len()].copy_from_slice(VERSION.as_bytes());
        STANDARD
            .encode_slice(tag, &mut text[VERSION.len()..])
            .expect("32 bytes are 44 characters of base64");
        Self(text)
    }

    /// The text of the header.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "base64 is ASCII, always")]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base64 is ASCII")
    }

    /// The header of a delivery signed with several secrets: the current one first, then those being rotated
    /// out. Receivers accept it if any of them matches.
    #[must_use]
    pub fn join(signatures: &[Self]) -> String {
        let mut header = String::with_capacity(signatures.len() * (Self::LEN + 1));
        for signature in signatures {
            if !header.is_empty() {
                header.push(' ');
            }
            header.push_str(signature.as_str());
        }
        header
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

/// The MAC over the three parts. The timestamp comes as text, so that a verifier hashes what it received.
pub(super) fn mac(key: &hmac::Key, id: &str, timestamp: &[u8], body: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in [id.as_bytes(), b".", timestamp, b".", body] {
        context.update(part);
    }
    context.sign()
}

pub(super) const VERSION: &str = "v1,";
/// `i64::MIN` has a sign and nineteen digits.
const MAX_DIGITS: usize = 20;
