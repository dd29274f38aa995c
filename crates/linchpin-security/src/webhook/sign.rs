//! Making signatures.

use std::fmt;
use std::io::Write as _;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Secret;
use super::secret::Signing;

/// Signs deliveries with one secret.
///
/// With a `whsec_`, a signature costs two hashes and no allocation of ours. With a `whsk_` it costs a copy of the body,
/// which ed25519 reads twice, and some tens of microseconds. Keep one per endpoint. Cheap to share: `sign` takes `&self`.
#[derive(Clone)]
pub struct Signer {
    key: Signing,
}

/// One signature in the form of the header: its version, a comma and base64. `Copy`.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Signature(Text);

/// The text of a signature, at the only length that its version has.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Text {
    /// A MAC of 32 bytes.
    V1([u8; V1.len() + 44]),
    /// An ed25519 signature of 64 bytes.
    V1a([u8; V1A.len() + 88]),
}

// ===== impl Signer =====

impl Signer {
    /// A signer with `secret`.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        Self { key: secret.signing().clone() }
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
        let timestamp = &digits[..MAX_DIGITS - unused];
        Signature(match &self.key {
            Signing::Pair(pair) => {
                Text::V1a(written(V1A, pair.sign(&message(id, timestamp, body)).as_ref()))
            }
            Signing::Shared(key) => Text::V1(written(V1, mac(key, id, timestamp, body).as_ref())),
        })
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

// ===== impl Signature =====

impl Signature {
    /// The text of the header.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "base64 is ASCII, always")]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("base64 is ASCII")
    }

    fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::V1(text) => text,
            Text::V1a(text) => text,
        }
    }

    /// The header of a delivery signed with several secrets, of either kind: the current one first, then those being
    /// rotated out. Receivers accept it if any of them matches.
    #[must_use]
    pub fn join(signatures: &[Self]) -> String {
        let length = signatures.iter().map(|signature| signature.as_bytes().len() + 1).sum();
        let mut header = String::with_capacity(length);
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

/// The text of a signature; `LEN` must be what the version and its bytes come to.
fn written<const LEN: usize>(version: &str, signature: &[u8]) -> [u8; LEN] {
    let mut text = [0; LEN];
    text[..version.len()].copy_from_slice(version.as_bytes());
    STANDARD
        .encode_slice(signature, &mut text[version.len()..])
        .expect("a signature of this version has this length");
    text
}

/// The MAC over the three parts. The timestamp comes as text, so that a verifier hashes what it received.
pub(super) fn mac(key: &hmac::Key, id: &str, timestamp: &[u8], body: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts(id, timestamp, body) {
        context.update(part);
    }
    context.sign()
}

/// The three parts in one piece, since ed25519 takes no others.
pub(super) fn message(id: &str, timestamp: &[u8], body: &[u8]) -> Vec<u8> {
    parts(id, timestamp, body).concat()
}

fn parts<'a>(id: &'a str, timestamp: &'a [u8], body: &'a [u8]) -> [&'a [u8]; 5] {
    [id.as_bytes(), b".", timestamp, b".", body]
}

pub(super) const V1: &str = "v1,";
pub(super) const V1A: &str = "v1a,";
/// `i64::MIN` has a sign and nineteen digits.
const MAX_DIGITS: usize = 20;
