//! The keys of a deployment.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;

use super::error::{KeyFault, OpenError, ParseKeyringError};
use super::{Sealed, VERSION, is_id, split};
use crate::secret::{SecretBytes, SecretString, strength};

/// Several keys, each with an id. The first seals, all of them open.
///
/// Clones share the keys. `Debug` shows the ids; aws-lc wipes the keys when the last clone is dropped. The text that
/// they were parsed from is the caller's to wipe.
#[derive(Clone)]
pub struct Keyring {
    /// Never empty.
    keys: Arc<[Key]>,
}

struct Key {
    id: String,
    cipher: RandomizedNonceKey,
}

// ===== impl Keyring =====

impl Keyring {
    /// Reads `id:key,id:key`, the current key first.
    ///
    /// An id is 1 to 16 of `a-z`, `0-9` and `-`, and stands in clear in all that its key seals. A key is the standard
    /// base64 of 32 bytes, such as `openssl rand -base64 32` prints. There are no blanks.
    ///
    /// # Errors
    ///
    /// The first key that cannot be one, and why, without a character of it: an id that is none or was there before, a
    /// key that is not 32 bytes or too [weak](strength).
    pub fn parse(text: &str) -> Result<Self, ParseKeyringError> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, item) in text.split(',').enumerate() {
            let key = Key::parse(item, &keys)
                .map_err(|fault| ParseKeyringError { position: index + 1, fault })?;
            keys.push(key);
        }
        Ok(Self { keys: keys.into() })
    }

    /// A new key from the system's cryptographic generator, as [`parse`](Self::parse) reads it: `id:key`.
    ///
    /// # Errors
    ///
    /// [`KeyFault::BadId`].
    ///
    /// # Panics
    ///
    /// If that generator fails: there is nothing safe to go on with.
    pub fn generate_key(id: &str) -> Result<SecretString, KeyFault> {
        if !is_id(id) {
            return Err(KeyFault::BadId);
        }
        let mut key = Zeroizing::new([0; KEY_LEN]);
        rand::fill(&mut *key).expect("the operating system gives random bytes");
        let encoded = Zeroizing::new(STANDARD.encode(*key));
        Ok(format!("{id}:{}", encoded.as_str()).into())
    }

    /// Seals `plain` with the current key, for the place that `context` names.
    ///
    /// The parts of the context are told apart: `["ab", "c"]` is another place than `["a", "bc"]`. They are not in the
    /// text, the caller must know them again.
    ///
    /// # Panics
    ///
    /// If the system's cryptographic generator fails: there is nothing safe to go on with.
    #[must_use]
    pub fn seal(&self, context: &[&[u8]], plain: &[u8]) -> Sealed {
        let Key { id, cipher } = self.current();
        let length = NONCE_LEN + plain.len() + TAG_LEN;
        // Room for all of it at once: growing would leave a copy of the plain text behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.extend_from_slice(&[0; NONCE_LEN]);
        bytes.extend_from_slice(plain);
        let (nonce, tag) = cipher
            .seal_in_place_separate_tag(bound(id, context), &mut bytes[NONCE_LEN..])
            .expect("the operating system gives random bytes");
        bytes[..NONCE_LEN].copy_from_slice(nonce.as_ref());
        bytes.extend_from_slice(tag.as_ref());
        Sealed(format!("{VERSION}.{id}.{}", STANDARD.encode(&*bytes)))
    }

    /// What was sealed for the place that `context` names.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: it is no sealed text, its key is not on the ring, or it does not belong here.
    pub fn open(&self, context: &[&[u8]], sealed: &str) -> Result<SecretBytes, OpenError> {
        let (id, encoded) = split(sealed).ok_or(OpenError::Malformed)?;
        let key = self.keys.iter().find(|key| key.id == id);
        let key = key.ok_or_else(|| OpenError::UnknownKey { id: id.to_owned() })?;
        // Wiped whatever happens: the cipher writes here before it knows whether the tag is right.
        let decoded = STANDARD.decode(encoded).map_err(|_| OpenError::Malformed)?;
        let mut bytes = Zeroizing::new(decoded);
        if bytes.len() < NONCE_LEN + TAG_LEN {
            return Err(OpenError::Malformed);
        }
        let nonce = Nonce::try_assume_unique_for_key(&bytes[..NONCE_LEN])
            .map_err(|_| OpenError::Malformed)?;
        bytes.drain(..NONCE_LEN);
        let opened = key.cipher.open_in_place(nonce, bound(id, context), &mut bytes);
        let length = opened.map_err(|_| OpenError::Refused)?.len();
        bytes.truncate(length);
        Ok(SecretBytes(bytes))
    }

    /// The id of the key that sealed a text, which need not be on a ring; `None` for what is no sealed text.
    ///
    /// It is what the text says: only [`open`](Self::open) tells whether it is true.
    #[must_use]
    pub fn id_of(sealed: &str) -> Option<&str> {
        split(sealed).map(|(id, _)| id)
    }

    /// Whether a text says that it was sealed by the current key. What was not is to be sealed anew.
    #[must_use]
    pub fn is_current(&self, sealed: &str) -> bool {
        Self::id_of(sealed) == Some(self.current().id.as_str())
    }

    fn current(&self) -> &Key {
        &self.keys[0]
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.keys.iter().map(|key| &*key.id).collect();
        f.debug_struct("Keyring").field("ids", &ids).finish_non_exhaustive()
    }
}

// ===== impl Key =====

impl Key {
    fn parse(item: &str, before: &[Self]) -> Result<Self, KeyFault> {
        let (id, encoded) = item.split_once(':').ok_or(KeyFault::NoColon)?;
        if !is_id(id) {
            return Err(KeyFault::BadId);
        }
        if before.iter().any(|key| key.id == id) {
            return Err(KeyFault::DuplicateId);
        }
        let bytes = STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| KeyFault::Encoding)?;
        let length = KeyFault::Length { bytes: bytes.len() };
        let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, &bytes).map_err(|_| length)?;
        strength(encoded).map_err(KeyFault::Weak)?;
        Ok(Self { id: id.to_owned(), cipher })
    }
}

/// What is bound to a text and not in it. Each part stands behind its length, so that no two lists are the same bytes.
fn bound(id: &str, context: &[&[u8]]) -> Aad<Vec<u8>> {
    let mut bytes = Vec::new();
    for part in [VERSION.as_bytes(), id.as_bytes()].into_iter().chain(context.iter().copied()) {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    Aad::from(bytes)
}

/// A key of AES-256, in bytes.
const KEY_LEN: usize = 32;
/// The tag of every AES-GCM-SIV, in bytes.
const TAG_LEN: usize = 16;
