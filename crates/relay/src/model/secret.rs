//! The secrets of endpoints: taken up in a type that does not print them, and shown by the half that may be.

use std::fmt;
use std::time::Duration;

use linchpin_http::client::AddressPolicy;
use linchpin_security::secret::SecretString;
use linchpin_security::webhook::{ParseKeyError, Secret};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{Faults, Input};

/// A secret to put in the place of an endpoint's.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSecretRotateIn {
    /// `whsec_` and the base64 of 24 to 75 bytes, or `whsk_` and that of an ed25519 key pair. If null one of the same kind
    /// is made for you.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>)]
    pub key: Option<SecretString>,
    /// For so long the old secret signs, too; a day by default, 0 ends it at once.
    #[serde(default)]
    #[schema(maximum = 604_800, default = 86_400)]
    pub grace_period_seconds: Option<u64>,
}

/// The secret of an endpoint.
#[derive(Clone, Serialize, ToSchema)]
pub struct EndpointSecretOut {
    /// `whsec_` and base64; of a key pair the half that verifies, `whpk_` and base64.
    pub key: String,
}

/// The longest overlap of two secrets, in seconds: a week.
const LONGEST_GRACE: u64 = 604_800;
/// A day.
const GRACE: u64 = 86_400;

// ===== impl EndpointSecretRotateIn =====

impl EndpointSecretRotateIn {
    /// For how long the old secret signs beside the new one.
    #[must_use]
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_period_seconds.unwrap_or(GRACE))
    }
}

impl Input for EndpointSecretRotateIn {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        check(faults, "key", self.key.as_ref());
        if self.grace().as_secs() > LONGEST_GRACE {
            faults.add(["gracePeriodSeconds"], format!("must be at most {LONGEST_GRACE}"));
        }
    }
}

// ===== impl EndpointSecretOut =====

impl EndpointSecretOut {
    /// What receivers verify with.
    #[must_use]
    pub fn of(secret: &Secret) -> Self {
        let public = secret.public_key().map(|key| key.to_string());
        Self { key: public.unwrap_or_else(|| secret.expose().to_owned()) }
    }
}

impl fmt::Debug for EndpointSecretOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointSecretOut").finish_non_exhaustive()
    }
}

/// Notes it if a secret is none.
pub(super) fn check(faults: &mut Faults, field: &'static str, text: Option<&SecretString>) {
    if let Some(Err(fault)) = text.map(parse) {
        faults.add([field], fault.to_string());
    }
}

/// The secret that a text is.
///
/// # Errors
///
/// What is wrong with it.
pub fn parse(text: &SecretString) -> Result<Secret, ParseKeyError> {
    text.expose().parse()
}

/// Takes the text up in a type that does not print it.
pub(super) fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}
