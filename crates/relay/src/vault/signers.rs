//! What signs a delivery.

use std::fmt::Write as _;
#[cfg(feature = "planted-faults")]
use std::sync::atomic::{AtomicBool, Ordering};

use linchpin::time::Timestamp;
use linchpin_security::webhook::{Secret, Signature, Signer};

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
        let mut text = sign(&self.current, id, seconds, body).to_string();
        for (_, signer) in self.old.iter().filter(|(until, _)| *until > at) {
            write!(text, " {}", sign(signer, id, seconds, body)).expect("a String takes all");
        }
        text
    }
}

fn sign(signer: &Signer, id: &str, seconds: i64, body: &[u8]) -> Signature {
    let signature = signer.sign(id, seconds, body);
    #[cfg(feature = "planted-faults")]
    if UNBOUND_PAIRS.load(Ordering::Relaxed) && signature.as_str().starts_with("v1a,") {
        return signer.sign("", seconds, body);
    }
    signature
}

/// Has key pairs sign a message without its id: the fault that the kill drill must find where there are key pairs.
#[cfg(feature = "planted-faults")]
pub fn plant_unbound_pairs() {
    UNBOUND_PAIRS.store(true, Ordering::Relaxed);
}

#[cfg(feature = "planted-faults")]
static UNBOUND_PAIRS: AtomicBool = AtomicBool::new(false);
