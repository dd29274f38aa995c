//! The key that a sender signs with.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519_PUBLIC_KEY_LEN, Ed25519KeyPair, KeyPair as _};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;

use super::key::{PAIR, ParseKeyError, PublicKey, SHARED};
use crate::secret::SecretString;

/// What signs: a key that the receiver has, too, or a key pair of which the receiver has the public half.
///
/// - `whsec_` and the standard base64 of 24 to 75 bytes: HMAC-SHA256, signatures of version `v1`. Every library verifies
///   them, and whoever verifies can also sign: give every endpoint its own.
/// - `whsk_` and the base64 of an ed25519 seed and its public key, 64 bytes: signatures of version `v1a`. Receivers get
///   the [`public_key`](Self::public_key) and cannot sign; few libraries verify them.
///
/// `Debug` does not show it, there is no `Display`, and its memory is zeroed on drop.
#[derive(Clone)]
pub struct Secret {
    text: SecretString,
    signing: Signing,
}

/// A key made ready, once; aws-lc wipes it on drop.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "the larger one is the usual one")]
pub(super) enum Signing {
    /// Ed25519.
    Pair(Ed25519KeyPair),
    /// HMAC-SHA256.
    Shared(hmac::Key),
}

// ===== impl Secret =====

impl Secret {
    /// A new `whsec_` secret of 32 bytes from the system's cryptographic generator.
    ///
    /// # Panics
    ///
    /// If that generator fails: there is nothing safe to go on with.
    #[must_use]
    pub fn generate() -> Self {
        let key = random();
        Self::written(SHARED.prefix, &*key, Signing::Shared(shared(&*key)))
    }

    /// A new `whsk_` key pair, with a seed from the system's cryptographic generator.
    ///
    /// # Panics
    ///
    /// If that generator fails: there is nothing safe to go on with.
    #[must_use]
    pub fn generate_pair() -> Self {
        let seed = random();
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).expect("32 bytes are a seed");
        let mut both = Zeroizing::new([0; SEED_LEN + ED25519_PUBLIC_KEY_LEN]);
        both[..SEED_LEN].copy_from_slice(&*seed);
        both[SEED_LEN..].copy_from_slice(pair.public_key().as_ref());
        Self::written(PAIR.prefix, &*both, Signing::Pair(pair))
    }

    fn written(prefix: &str, bytes: &[u8], signing: Signing) -> Self {
        let encoded = Zeroizing::new(STANDARD.encode(bytes));
        Self { text: format!("{prefix}{}", encoded.as_str()).into(), signing }
    }

    /// The text with its prefix, as it is stored. A `whsec_` is shown to the receiver; of a `whsk_` that is the
    /// [`public_key`](Self::public_key), and never this.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// What the receivers of a `whsk_` verify with; `None` for a `whsec_`, which they must have themselves.
    #[must_use]
    pub fn public_key(&self) -> Option<PublicKey> {
        match &self.signing {
            Signing::Pair(pair) => Some(PublicKey::of(pair)),
            Signing::Shared(_) => None,
        }
    }

    pub(super) fn signing(&self) -> &Signing {
        &self.signing
    }
}

impl FromStr for Secret {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let signing = if let Some(encoded) = PAIR.encoded(text) {
            Signing::Pair(pair(&PAIR.decode(encoded)?)?)
        } else if let Some(encoded) = SHARED.encoded(text) {
            Signing::Shared(shared(&SHARED.decode(encoded)?))
        } else {
            return Err(ParseKeyError::Prefix { expected: "`whsec_` or `whsk_`" });
        };
        Ok(Self { text: text.into(), signing })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.signing {
            Signing::Pair(_) => PAIR,
            Signing::Shared(_) => SHARED,
        };
        write!(f, "{}{:?}", form.prefix, self.text)
    }
}

fn random() -> Zeroizing<[u8; SEED_LEN]> {
    let mut bytes = Zeroizing::new([0; SEED_LEN]);
    rand::fill(&mut *bytes).expect("the operating system gives random bytes");
    bytes
}

fn shared(key: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key)
}

fn pair(both: &[u8]) -> Result<Ed25519KeyPair, ParseKeyError> {
    let (seed, public) = both.split_at(SEED_LEN);
    Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(|_| ParseKeyError::Mismatch)
}

/// Of an ed25519 seed, and of a shared secret that we make; in bytes.
const SEED_LEN: usize = 32;
