//! Secrets at rest: text that only the keyring opens, and only where it was put.
//!
//! A sealed text is `s1.<id of the key>.<base64 of nonce, ciphertext and tag>`. The cipher is AES-256-GCM-SIV (RFC
//! 8452) with a random nonce: two seals of one text differ, and a nonce that came twice would tell no more than that
//! two texts are the same. Bound to it are the version, the id and a **context**, which says where the text is kept.
//! Name there the table, the row and its tenant: who can write to the database but has no key cannot move a secret
//! from one row to another.
//!
//! What is not kept secret is how long the text is. What is not noticed is an older text of the same place that somebody
//! put back.
//!
//! To rotate, put a new key in front of the old one: what is sealed from then on is of the new one, the rest still opens.
//! Seal anew what is not [current](Keyring::is_current), then drop the old key.
//!
//! ```
//! use linchpin_security::seal::Keyring;
//!
//! let old = "k1:Xd9DjKVT9CYK1cgHv8rXkQpu8dEK+Uc5rMZ4qSm2n7I=";
//! let keys = Keyring::parse(old)?;
//! let place: [&[u8]; 2] = [b"endpoint", b"ep_1"];
//! let sealed = keys.seal(&place, b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
//! assert_eq!(Keyring::id_of(sealed.as_str()), Some("k1"));
//!
//! let keys = Keyring::parse(&format!("k2:p4Q0nZy3uW8vT1sLhB6cXeRjD7mKfA2gY5oUiNtEqHw=,{old}"))?;
//! assert!(!keys.is_current(sealed.as_str()));
//! let opened = keys.open(&place, sealed.as_str())?;
//! assert_eq!(opened.expose(), b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
//! assert!(keys.open(&[b"endpoint", b"ep_2"], sealed.as_str()).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod keyring;

use std::fmt;

use crate::secret::REDACTED;

pub use self::error::{KeyFault, OpenError, ParseKeyringError};
pub use self::keyring::Keyring;

/// A text that was sealed: what to store.
///
/// A type of its own, so that a clear text cannot be stored in its place by mistake. `Debug` does not show it.
#[derive(Clone, Eq, PartialEq)]
pub struct Sealed(String);

// ===== impl Sealed =====

impl Sealed {
    /// The text; ASCII without blanks, a third longer than what was sealed and some 45 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, without a copy.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({REDACTED})")
    }
}

/// The id of the key, and the base64 after it. `None` if `text` was not written by [`Keyring::seal`].
fn split(text: &str) -> Option<(&str, &str)> {
    let (id, encoded) = text.strip_prefix(VERSION)?.strip_prefix('.')?.split_once('.')?;
    is_id(id).then_some((id, encoded))
}

fn is_id(text: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(is_plain)
}

/// Also the first part of what is bound to a text, so that another version cannot be taken for this one.
const VERSION: &str = "s1";
const LONGEST_ID: usize = 16;
