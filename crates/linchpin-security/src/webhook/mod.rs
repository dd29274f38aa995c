//! Signed deliveries by the Standard Webhooks rules, with keys that both sides have (`v1`) or key pairs (`v1a`).
//!
//! What is signed is `{id}.{unix seconds}.{body}`, the body byte for byte as sent. The id names the message and
//! stays the same over retries, so that receivers can drop duplicates; the timestamp is that of the attempt, so
//! that they can refuse replays.
//!
//! ```
//! use linchpin::time::Timestamp;
//! use linchpin_security::webhook::{Family, Secret, Signer, Verifier};
//!
//! let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?;
//! let body = br#"{"test": 2432232314}"#;
//! let signature = Signer::new(&secret).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
//! assert_eq!(signature.as_str(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
//!
//! let names = Family::Svix.names()[0];
//! let verified = Verifier::new([&secret]).verify(
//!     |name| match name {
//!         name if name == names.id => Some("msg_p5jXN8AQM9LWM0D4loKWxJek"),
//!         name if name == names.timestamp => Some("1614265330"),
//!         name if name == names.signature => Some(signature.as_str()),
//!         _ => None,
//!     },
//!     body,
//!     Timestamp::from_micros(1_614_265_331_000_000),
//! )?;
//! assert_eq!(verified.id, "msg_p5jXN8AQM9LWM0D4loKWxJek");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Secret`] is of either kind, and all of this works the same. Of a key pair the receiver has the [`PublicKey`] only:
//!
//! ```
//! use linchpin_security::webhook::{PublicKey, Secret, Verifier};
//!
//! let secret = Secret::generate_pair();
//! let given_away = secret.public_key().expect("the half of a pair").to_string();
//! assert!(given_away.starts_with("whpk_"));
//!
//! let key: PublicKey = given_away.parse()?;
//! let verifier = Verifier::new([&key]);
//! # let _ = verifier;
//! # Ok::<(), linchpin_security::webhook::ParseKeyError>(())
//! ```

mod family;
mod key;
mod secret;
mod sign;
mod verify;

pub use self::family::{Family, Names};
pub use self::key::{Key, ParseKeyError, PublicKey};
pub use self::secret::Secret;
pub use self::sign::{Signature, Signer};
pub use self::verify::{Verified, Verifier, VerifyError};
