//! Who asks: bearer tokens of an organisation or of one application.

use std::collections::BTreeSet;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use linchpin::time::Timestamp;
use linchpin_security::jwt::Verifier;
use serde::{Deserialize, Serialize};

use super::ApiState;
use super::error::ApiError;
use crate::ids::{AppId, OrgId};
use crate::store::Scope;

/// Whoever holds the token of the request, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Caller {
    /// May do everything in its organisation.
    Org(OrgId),
    /// May look after its own application.
    App { org: OrgId, app: AppId, flags: BTreeSet<String> },
}

/// A caller with the token of an organisation; others get a 403.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrgToken(pub(super) OrgId);

/// What a token says that we issue. In this order, svix-server's tokens are the same byte for byte.
#[derive(Clone, Debug, Serialize)]
pub struct Claims {
    iat: i64,
    exp: i64,
    nbf: i64,
    iss: &'static str,
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<String>,
}

/// What is read of a token. `exp`, `nbf` and `iat` are the verifier's.
#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    sub: String,
    #[serde(default)]
    org: String,
    #[serde(default)]
    feature_flags: BTreeSet<String>,
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
        Self { iat, exp, nbf: iat, iss: "svix-server", sub, org }
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
        Ok(Self::App { org, app, flags: claims.feature_flags })
    }
}

impl FromRequestParts<ApiState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        caller(parts, &state.tokens)
    }
}

/// Who asks. It is found out once for each request: the rate limit, the body's extractor and the handler ask.
pub(super) fn caller(parts: &mut Parts, tokens: &Verifier) -> Result<Caller, ApiError> {
    if let Some(caller) = parts.extensions.get::<Caller>() {
        return Ok(caller.clone());
    }
    let token = bearer(parts).ok_or_else(ApiError::unauthenticated)?;
    let claims = tokens.verify(token, Timestamp::now()).map_err(|fault| {
        tracing::debug!(%fault, "a token was refused");
        ApiError::unauthenticated()
    })?;
    let caller = Caller::of(claims)?;
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
            Caller::App { .. } => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "insufficient access",
                "This needs the token of an organisation",
            )),
        }
    }
}

impl OrgToken {
    /// The application that the path names.
    pub(super) fn scope(self, app: &str) -> Scope {
        Scope { org: self.0, only: None, app: app.into() }
    }
}
