//! What signs a delivery.

use std::fmt::Write as _;

use linchpin::time::Timestamp;
use linchpin_security::webhook::{Secret, Signer};

use super::OldSecrets;

/// A signer for each secret that an endpoint has, those included that were replaced and have not ended.
#[derive(Debug)]
pub(crate) struct Signers {
    current: Signer,
    /// With the time of its end; the first to end first.
    old: Vec<(Timestamp, Signer)>,
}

impl Signers {
    pub(super) fn new(current: &Secret, old: &OldSecrets) -> Self {
        let old = old.iter().map(|(until, secret)| (*until, Signer::new(secret))).collect();
        Self { current: Signer::new(current), old }
    }

    /// The value of the signature header for an attempt that begins at `at`: the current secret's first, blanks between.
    pub(crate) fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let seconds = at.as_seconds();
        let mut text = self.current.sign(id, seconds, body).to_string();
        for (_, signer) in self.old.iter().filter(|(until, _)| *until > at) {
            write!(text, " {}", signer.sign(id, seconds, body)).expect("a String takes all");
        }
        text
    }
}
