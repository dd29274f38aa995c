//! What somebody is let do with the token of an application, and when that ends.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use linchpin_http::client::AddressPolicy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::application::ApplicationIn;
use super::{Faults, Input, rules};

/// How long the token of a portal lives, in seconds: an hour to a week.
const LIFE: RangeInclusive<i64> = 3_600..=604_800;
/// The longest life of a token with a session; what ends one is remembered for as long.
pub const LONGEST: Duration = Duration::from_hours(7 * 24);
/// The most feature flags of a token: it travels in a header.
const FLAGS: usize = 30;
/// The most sessions that one request ends.
const SESSIONS: usize = 100;
/// The longest name of a session, in bytes.
const SESSION_BYTES: usize = 256;

/// Something that the token of an application may do. `ManageEndpointSecret` has `ViewEndpointSecret` in it, and
/// `ManageEndpoint` both.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, ToSchema)]
pub enum Capability {
    /// To see everything but secrets. Every token has it.
    ViewBase,
    /// To see the secrets of endpoints.
    ViewEndpointSecret,
    /// To see and to rotate the secrets of endpoints.
    ManageEndpointSecret,
    /// To change transformations. There are none here, so it adds nothing.
    ManageTransformations,
    /// To send again what was sent or should have been.
    CreateAttempts,
    /// To make, change and delete endpoints, their headers and secrets included.
    ManageEndpoint,
}

/// Whom to let into the portal of an application, and what they may do there.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppPortalAccessIn {
    /// The application to create if the path names none; its `uid` is that of the path.
    #[serde(default)]
    pub application: Option<ApplicationIn>,
    /// For how many seconds the token is good; a week by default.
    #[serde(default)]
    #[schema(minimum = 3_600, maximum = 604_800, default = 604_800)]
    pub expiry: Option<i64>,
    /// What the token may do; everything by default. `ViewBase` must be among them.
    #[serde(default)]
    pub capabilities: Option<BTreeSet<Capability>>,
    /// The token changes nothing, and shows no secret unless `capabilities` has `ViewEndpointSecret`.
    #[serde(default)]
    pub read_only: Option<bool>,
    /// The feature flags that the token holds; at most 30.
    #[serde(default)]
    pub feature_flags: Option<BTreeSet<String>>,
    /// What `expire-all` may name, to end this token and no others.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 256)]
    pub session_id: Option<String>,
}

/// The way into the portal of an application.
#[derive(Clone, Serialize, ToSchema)]
pub struct AppPortalAccessOut {
    /// Where to send the user's browser: the portal, with the token in the fragment.
    pub url: String,
    /// The token alone.
    pub token: String,
}

/// Which tokens of an application are to end.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationTokenExpireIn {
    /// In how many seconds; at once by default.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 604_800, default = 0)]
    pub expiry: Option<i64>,
    /// Only those of these sessions, at most 100; all if there are none.
    #[serde(default)]
    pub session_ids: Option<BTreeSet<String>>,
}

// ===== impl Capability =====

impl Capability {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::ViewBase,
        Self::ViewEndpointSecret,
        Self::ManageEndpointSecret,
        Self::ManageTransformations,
        Self::CreateAttempts,
        Self::ManageEndpoint,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ViewBase => "ViewBase",
            Self::ViewEndpointSecret => "ViewEndpointSecret",
            Self::ManageEndpointSecret => "ManageEndpointSecret",
            Self::ManageTransformations => "ManageTransformations",
            Self::CreateAttempts => "CreateAttempts",
            Self::ManageEndpoint => "ManageEndpoint",
        }
    }

    /// Whether who has it has `other` by that.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        use Capability::{ManageEndpoint, ManageEndpointSecret, ViewEndpointSecret};
        self == other
            || matches!(
                (self, other),
                (ManageEndpoint, ManageEndpointSecret | ViewEndpointSecret)
                    | (ManageEndpointSecret, ViewEndpointSecret)
            )
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Capability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| format!("expected some of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// What a token that changes nothing keeps of these capabilities, or of all.
#[must_use]
pub fn read_only(capabilities: Option<&BTreeSet<Capability>>) -> BTreeSet<Capability> {
    let shows = [Capability::ViewEndpointSecret].into_iter();
    let kept = shows.filter(|one| capabilities.is_some_and(|held| held.contains(one)));
    kept.chain([Capability::ViewBase]).collect()
}

/// Whether a text can be the name of a session.
#[must_use]
pub fn is_session(text: &str) -> bool {
    (1..=SESSION_BYTES).contains(&text.len())
}

// ===== impl AppPortalAccessIn =====

impl AppPortalAccessIn {
    /// For how long the token is good.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.expiry.map_or(LONGEST, |seconds| Duration::from_secs(seconds.unsigned_abs()))
    }

    /// What the token is limited to, if it is.
    #[must_use]
    pub fn limits(&self) -> Option<BTreeSet<Capability>> {
        match self.read_only {
            Some(true) => Some(read_only(self.capabilities.as_ref())),
            _ => self.capabilities.clone(),
        }
    }
}

impl Input for AppPortalAccessIn {
    // The oldest call for a link has no body.
    const MAY_BE_MISSING: bool = true;

    fn check(&mut self, addresses: &AddressPolicy, faults: &mut Faults) {
        if let Some(app) = &mut self.application {
            faults.within("application", |faults| app.check(addresses, faults));
        }
        if self.expiry.is_some_and(|seconds| !LIFE.contains(&seconds)) {
            faults.add(["expiry"], "must be from 3600 to 604800 seconds");
        }
        if self.capabilities.as_ref().is_some_and(|held| !held.contains(&Capability::ViewBase)) {
            faults.add(["capabilities"], "must have `ViewBase`, or be null");
        }
        let flags = self.feature_flags.as_ref().filter(|flags| !flags.is_empty());
        rules::names(faults, "featureFlags", FLAGS, flags);
        if self.session_id.as_ref().is_some_and(|session| !is_session(session)) {
            faults.add(["sessionId"], "must be 1 to 256 bytes");
        }
    }
}

impl fmt::Debug for AppPortalAccessOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppPortalAccessOut").finish_non_exhaustive()
    }
}

// ===== impl ApplicationTokenExpireIn =====

impl ApplicationTokenExpireIn {
    /// In how long they end.
    #[must_use]
    pub fn after(&self) -> Duration {
        Duration::from_secs(self.expiry.unwrap_or(0).unsigned_abs())
    }
}

impl Input for ApplicationTokenExpireIn {
    const MAY_BE_MISSING: bool = true;

    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        if self.expiry.is_some_and(|seconds| !(0..=*LIFE.end()).contains(&seconds)) {
            faults.add(["expiry"], "must be from 0 to 604800 seconds");
        }
        let sessions = self.session_ids.iter().flatten();
        if sessions.clone().count() > SESSIONS {
            faults.add(["sessionIds"], format!("must have at most {SESSIONS} items"));
        }
        if sessions.clone().any(|session| !is_session(session)) {
            faults.add(["sessionIds"], "each must be 1 to 256 bytes");
        }
    }
}
