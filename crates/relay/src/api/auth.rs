//! Who asks: bearer tokens of an organisation or of one application.

use std::collections::BTreeSet;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use linchpin::time::Timestamp;
use linchpin_security::jwt::{Issuer, Verifier};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ApiState;
use super::capability::Capabilities;
use super::error::ApiError;
use crate::ids::{AppId, OrgId, TokenId};
use crate::model::access::Capability;
use crate::store::Scope;
use crate::store::revocation::{Issued, Revocations};

/// How tokens are made, and which are believed.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Makes those of applications.
    pub issuer: Issuer,
    /// Whom to believe.
    pub verifier: Verifier,
    /// Whom not to believe any more.
    pub revocations: Revocations,
}

/// Whoever holds the token of the request, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Caller {
    /// May do everything in its organisation.
    Org(OrgId),
    /// May look after its own application, as far as its capabilities go.
    App { org: OrgId, app: AppId, flags: BTreeSet<String>, caps: Capabilities, token: Issued },
}

/// A caller with the token of an organisation; others get a 403.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrgToken(pub(super) OrgId);

/// What a token says that we issue. In this order, svix-server's tokens of an organisation are the same byte for byte.
#[derive(Clone, Debug, Serialize)]
pub struct Claims {
    iat: i64,
    exp: i64,
    nbf: i64,
    iss: &'static str,
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<TokenId>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    feature_flags: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay: Option<Own>,
}

/// What the token of an application is limited to, and what it was made for.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// What it may do; everything if there is no such list.
    pub capabilities: Option<BTreeSet<Capability>>,
    /// Which event types it sees besides those that all see.
    pub flags: BTreeSet<String>,
    /// What it is ended by, with others of the same session.
    pub session: Option<String>,
}

/// The claims of a token of an application that are ours alone.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Own {
    /// `iat` in microseconds: within a second, one token may be made before others end and one after.
    iat_us: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capabilities: Option<BTreeSet<Capability>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<String>,
}

/// What is read of a token. What `exp`, `nbf` and `iat` say of now is the verifier's.
#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    sub: String,
    #[serde(default)]
    org: String,
    #[serde(default)]
    feature_flags: BTreeSet<String>,
    iat: Option<f64>,
    exp: Option<f64>,
    /// Whatever others put there.
    #[serde(default)]
    jti: Value,
    #[serde(default)]
    relay: Own,
}

// ===== impl Claims =====

impl Claims {
    /// For an organisation, or for one application of it; good from `now` to `until`.
    #[must_use]
    pub fn new(org: OrgId, app: Option<AppId>, now: Timestamp, until: Timestamp) -> Self {
        let (sub, org) = match app {
            None => (org.to_string(), None),
            Some(app) => (app.to_string(), Some(org.to_string())),
        };
        let (iat, exp) = (now.as_seconds(), until.as_seconds());
        let relay = app.map(|_| Own { iat_us: Some(now.as_micros()), ..Own::default() });
        Self {
            iat,
            exp,
            nbf: iat,
            iss: "svix-server",
            sub,
            org,
            jti: app.map(|_| TokenId::at(now)),
            feature_flags: BTreeSet::new(),
            relay,
        }
    }

    /// The same for an application with limits. An organisation's has none.
    #[must_use]
    pub fn with(mut self, grant: Grant) -> Self {
        if let Some(own) = &mut self.relay {
            own.capabilities = grant.capabilities;
            own.session = grant.session;
            self.feature_flags = grant.flags;
        }
        self
    }
}

// ===== impl Caller =====

impl Caller {
    pub(super) fn org(&self) -> OrgId {
        match self {
            Self::Org(org) | Self::App { org, .. } => *org,
        }
    }

    /// The application that the token is limited to, if it is.
    pub(super) fn app(&self) -> Option<AppId> {
        match self {
            Self::Org(_) => None,
            Self::App { app, .. } => Some(*app),
        }
    }

    /// The feature flags that limit what is seen; none for an organisation, which sees all.
    pub(super) fn flags(&self) -> Option<BTreeSet<String>> {
        match self {
            Self::Org(_) => None,
            Self::App { flags, .. } => Some(flags.clone()),
        }
    }

    /// What the caller may see of the application that the path names; the store looks whether it is theirs.
    pub(super) fn scope(&self, app: &str) -> Scope {
        Scope { org: self.org(), only: self.app(), app: app.into() }
    }

    fn of(claims: Subject) -> Result<Self, ApiError> {
        if let Ok(org) = claims.sub.parse() {
            return Ok(Self::Org(org));
        }
        let wrong = |code, text| ApiError::new(StatusCode::BAD_REQUEST, code, text);
        let app = claims.sub.parse().map_err(|_| {
            wrong("bad_token", "The token's `sub` is neither an organisation nor an application")
        })?;
        let org = claims.org.parse().map_err(|_| {
            wrong("bad token", "The application token's `org` is not an organisation")
        })?;
        let until = claims.exp.map(moment).ok_or_else(|| {
            wrong("bad token", "The application token has no `exp`: it must end some time")
        })?;
        let Own { iat_us, capabilities, session } = claims.relay;
        let at = iat_us.map(Timestamp::from_micros).or_else(|| claims.iat.map(moment));
        let token = Issued {
            app: (org, app),
            id: claims.jti.as_str().and_then(|id| id.parse().ok()),
            // A token that does not say is older than any other.
            at: at.unwrap_or(Timestamp::from_micros(i64::MIN)),
            until,
            session,
        };
        Ok(Self::App {
            org,
            app,
            flags: claims.feature_flags,
            caps: Capabilities(capabilities),
            token,
        })
    }

    /// Refuses what the token's capabilities do not admit.
    fn admit(&self, parts: &Parts) -> Result<(), ApiError> {
        match self {
            Self::Org(_) => Ok(()),
            Self::App { caps, .. } => caps.admit(parts),
        }
    }
}

/// A moment, of whole seconds or of a fraction.
fn moment(seconds: f64) -> Timestamp {
    Timestamp::from_micros((seconds * 1e6) as i64)
}

impl FromRequestParts<ApiState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let caller = caller(parts, &state.tokens)?;
        caller.admit(parts)?;
        Ok(caller)
    }
}

/// Who asks. It is found out once for each request: the rate limit, the body's extractor and the handler ask.
pub(super) fn caller(parts: &mut Parts, tokens: &Tokens) -> Result<Caller, ApiError> {
    if let Some(caller) = parts.extensions.get::<Caller>() {
        return Ok(caller.clone());
    }
    let token = bearer(parts).ok_or_else(ApiError::unauthenticated)?;
    let now = Timestamp::now();
    let claims = tokens.verifier.verify(token, now).map_err(|fault| {
        tracing::debug!(%fault, "a token was refused");
        ApiError::unauthenticated()
    })?;
    let caller = Caller::of(claims)?;
    if let Caller::App { token, .. } = &caller
        && tokens.revocations.refuses(token, now)
    {
        tracing::debug!("a token was refused, since it is revoked");
        return Err(ApiError::unauthenticated());
    }
    parts.extensions.insert(caller.clone());
    Ok(caller)
}

fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

// ===== impl OrgToken =====

impl FromRequestParts<ApiState> for OrgToken {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        match Caller::from_request_parts(parts, state).await? {
            Caller::Org(org) => Ok(Self(org)),
            Caller::App { .. } => {
                Err(ApiError::forbidden("This needs the token of an organisation"))
            }
        }
    }
}

impl OrgToken {
    /// The application that the path names.
    pub(super) fn scope(self, app: &str) -> Scope {
        Scope { org: self.0, only: None, app: app.into() }
    }
}
