//! Bearer tokens: JSON Web Tokens with a shared secret.
//!
//! Exactly one algorithm is accepted, the one the keys were made for; a token cannot choose another, nor `none`. Of secrets a
//! verifier may know several, so that tokens of one that was replaced are good until they end.
//! Time is an argument.
//!
//! ```
//! use linchpin::time::Timestamp;
//! use linchpin_security::jwt::{Issuer, Keys, Verifier, VerifyError};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Claims {
//!     sub: String,
//!     exp: i64,
//! }
//!
//! let keys = Keys::hs256(b"0d7a51c2e8f4b6930d7a51c2e8f4b693");
//! let token = Issuer::new(&keys).issue(&Claims { sub: "org_1".into(), exp: 1_000 })?;
//!
//! let verifier = Verifier::new(&keys);
//! let claims: Claims = verifier.verify(&token, Timestamp::from_micros(1_900_000_000))?;
//! assert_eq!(claims.sub, "org_1");
//! let late = verifier.verify::<Claims>(&token, Timestamp::from_micros(1_901_000_000));
//! assert_eq!(late.err(), Some(VerifyError::Expired));
//! # Ok::<(), linchpin::Error>(())
//! ```

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, EncodingKey, TokenData, Validation, crypto};
use linchpin::time::Timestamp;
use linchpin::{Error, Kind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

use crate::config::Choice;

/// A shared secret and the one algorithm it is used with.
///
/// Any secret is taken, an empty one too: judge it with [`secret::strength`](crate::secret::strength) first.
/// `Debug` does not show it; its memory is zeroed on drop.
#[derive(Clone, Debug)]
pub struct Keys {
    algorithm: Algorithm,
    issuing: EncodingKey,
    verifying: DecodingKey,
}

/// HMAC with a hash of the SHA-2 family.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    #[default]
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

/// Makes tokens.
#[derive(Clone, Debug)]
pub struct Issuer(Keys);

/// Checks tokens.
///
/// Checked are the algorithm, the signature and, when the claims have them, `exp`, `nbf` and `iat`. `aud` and
/// `iss` are not looked at. To make a claim mandatory, make it a field of your claims without a default.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Keys,
    older: Vec<DecodingKey>,
    leeway: Duration,
    validation: Validation,
}

/// How far clocks may differ, unless a verifier is told otherwise: 15 minutes.
pub const LEEWAY: Duration = Duration::from_mins(15);

/// The token is not to be trusted.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum VerifyError {
    /// The signature is by none of these keys.
    BadSignature,
    /// `exp` is further in the past than the leeway.
    Expired,
    /// It is no token, or its claims do not fit the type asked for.
    Malformed {
        /// What did not fit. May quote claims: for the log, not for the client.
        reason: String,
    },
    /// `nbf` or `iat` is further in the future than the leeway.
    NotYetValid,
    /// The header names another algorithm than that of the keys, or none.
    WrongAlgorithm,
}

// ===== impl Keys =====

impl Keys {
    /// Keys for HS256.
    #[must_use]
    pub fn hs256(secret: &[u8]) -> Self {
        Self::new(Algorithm::Hs256, secret)
    }

    /// Keys for `algorithm`.
    #[must_use]
    pub fn new(algorithm: Algorithm, secret: &[u8]) -> Self {
        // An error means that there is a provider already: ours from an earlier call, or the application's.
        crypto::aws_lc::DEFAULT_PROVIDER.install_default().ok();
        Self {
            algorithm,
            issuing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
        }
    }
}

// ===== impl Algorithm =====

impl Algorithm {
    /// The name in a token's header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    const fn foreign(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Hs384 => jsonwebtoken::Algorithm::HS384,
            Self::Hs512 => jsonwebtoken::Algorithm::HS512,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Choice for Algorithm {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("HS256", Self::Hs256), ("HS384", Self::Hs384), ("HS512", Self::Hs512)];
}

// ===== impl Issuer =====

impl Issuer {
    /// Issues with `keys`.
    #[must_use]
    pub fn new(keys: &Keys) -> Self {
        Self(keys.clone())
    }

    /// A signed token with `claims` as they serialise, in that order of fields.
    ///
    /// # Errors
    ///
    /// [`Kind::Internal`] if the claims do not serialise to JSON.
    pub fn issue<C: Serialize>(&self, claims: &C) -> Result<String, Error> {
        let Keys { algorithm, issuing, .. } = &self.0;
        let claims = serde_json::to_vec(claims).map_err(|e| Error::new(Kind::Internal, e))?;
        // Written by hand: the order of these two fields is part of what is signed, and known vectors have it so.
        let header = format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#);
        let mut token = URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = crypto::sign(token.as_bytes(), issuing, algorithm.foreign())
            .map_err(|e| Error::new(Kind::Internal, e))?;
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }
}

// ===== impl Verifier =====

impl Verifier {
    /// Accepts what `keys` signed, with a leeway of 15 minutes.
    #[must_use]
    pub fn new(keys: &Keys) -> Self {
        // The library would read the system's clock; it checks the signature only and we check the times.
        let mut validation = Validation::new(keys.algorithm.foreign());
        validation.required_spec_claims.clear();
        validation.validate_aud = false;
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { keys: keys.clone(), older: Vec::new(), leeway: LEEWAY, validation }
    }

    /// Accepts what `secret` signed, too, with the algorithm of the first keys: a secret from which those took over, while
    /// its tokens are still about. Each costs a token that the others did not sign one more signature.
    #[must_use]
    pub fn also(mut self, secret: &[u8]) -> Self {
        self.older.push(DecodingKey::from_secret(secret));
        self
    }

    /// How far clocks may differ; whole seconds. Default 15 minutes, as svix has it.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The claims of `token`, if it can be trusted at `now`.
    ///
    /// `token` is the token alone, without `Bearer`. With a leeway of 900 s it is accepted 900 s after `exp` and
    /// refused at 901 s.
    ///
    /// # Errors
    ///
    /// The first [`VerifyError`] met: shape, algorithm, signature, times, and then whether the claims fit `C`.
    pub fn verify<C: DeserializeOwned>(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<C, VerifyError> {
        let data = self.decode(token).map_err(|error| refusal(&error, token))?;
        if data.header.crit.is_some() {
            return Err(malformed("the header asks for extensions that are not understood"));
        }
        let claims = data.claims.get();
        let times: Times = serde_json::from_str(claims).map_err(malformed)?;
        self.check(&times, now.as_seconds())?;
        serde_json::from_str(claims).map_err(malformed)
    }

    /// By the first key that has signed it.
    fn decode(&self, token: &str) -> jsonwebtoken::errors::Result<TokenData<Box<RawValue>>> {
        let by = |key| jsonwebtoken::decode(token, key, &self.validation);
        let mut decoded = by(&self.keys.verifying);
        for key in &self.older {
            match &decoded {
                Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
                _ => break,
            }
            decoded = by(key);
        }
        decoded
    }

    fn check(&self, times: &Times, now: i64) -> Result<(), VerifyError> {
        let leeway = i64::try_from(self.leeway.as_secs()).unwrap_or(i64::MAX);
        let (earliest, latest) = (now.saturating_sub(leeway), now.saturating_add(leeway));
        if times.exp.as_ref().is_some_and(|exp| seconds(exp) < earliest) {
            return Err(VerifyError::Expired);
        }
        if [&times.nbf, &times.iat].into_iter().flatten().any(|time| seconds(time) > latest) {
            return Err(VerifyError::NotYetValid);
        }
        Ok(())
    }
}

/// The claims that say when; seconds since the Unix epoch, with a fraction if the issuer likes.
#[derive(Deserialize)]
struct Times {
    exp: Option<Number>,
    nbf: Option<Number>,
    iat: Option<Number>,
}

// ===== impl VerifyError =====

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadSignature => f.write_str("the token's signature does not match"),
            Self::Expired => f.write_str("the token has expired"),
            Self::Malformed { reason } => write!(f, "the token is malformed: {reason}"),
            Self::NotYetValid => f.write_str("the token is not valid yet"),
            Self::WrongAlgorithm => f.write_str("the token is signed with another algorithm"),
        }
    }
}

impl std::error::Error for VerifyError {}

impl From<VerifyError> for Error {
    fn from(error: VerifyError) -> Self {
        Self::new(Kind::Unauthenticated, error)
    }
}

/// Our word for what the library refused.
fn refusal(error: &jsonwebtoken::errors::Error, token: &str) -> VerifyError {
    match error.kind() {
        ErrorKind::InvalidSignature => VerifyError::BadSignature,
        ErrorKind::InvalidAlgorithm => VerifyError::WrongAlgorithm,
        // It does not know the name `none`, nor those of algorithms it does not have.
        ErrorKind::Json(_) if has_foreign_algorithm(token) => VerifyError::WrongAlgorithm,
        _ => malformed(error),
    }
}

/// Whether the header is JSON and names an algorithm outside of what the library can read.
fn has_foreign_algorithm(token: &str) -> bool {
    #[derive(Deserialize)]
    struct Header {
        alg: String,
    }

    let encoded = token.split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(encoded).unwrap_or_default();
    serde_json::from_slice::<Header>(&header)
        .is_ok_and(|header| header.alg.parse::<jsonwebtoken::Algorithm>().is_err())
}

fn malformed(reason: impl fmt::Display) -> VerifyError {
    VerifyError::Malformed { reason: reason.to_string() }
}

/// Whole seconds, rounded down; saturates.
fn seconds(number: &Number) -> i64 {
    number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or(f64::MAX).floor() as i64)
}
