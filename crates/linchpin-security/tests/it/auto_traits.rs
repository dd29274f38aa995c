//! What may be sent between threads and shared by them: this file compiles, or it is not so.

use linchpin_security::config::{Effective, Fault, Faults, Loader, Setting, Source, Value};
use linchpin_security::seal::{Keyring, OpenError, ParseKeyringError, Sealed};
use linchpin_security::secret::{SecretBytes, SecretString};
use linchpin_security::{jwt, webhook};

const fn shared<T: Send + Sync>() {}

const _: () = {
    shared::<(Effective, Fault, Faults, Loader, Setting, Source, Value)>();
    shared::<(jwt::Keys, jwt::Issuer, jwt::Verifier, jwt::VerifyError)>();
    shared::<(SecretBytes, SecretString)>();
    shared::<(Keyring, OpenError, ParseKeyringError, Sealed)>();
    shared::<(webhook::Key<'_>, webhook::PublicKey, webhook::Secret)>();
    shared::<(webhook::Signer, webhook::Signature)>();
    shared::<(webhook::Verifier, webhook::Verified<'_>, webhook::VerifyError)>();
};
