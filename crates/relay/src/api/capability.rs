//! What each route asks of the token of an application.
//!
//! It is looked up where [`Caller`](super::auth::Caller) is taken from the request, by the route, so that no handler can
//! forget it. A route that changes something and is not in the list is refused to every token with limits.

use std::collections::BTreeSet;

use axum::extract::MatchedPath;
use axum::http::Method;
use axum::http::request::Parts;

use super::error::ApiError;
use crate::model::access::Capability::{
    self, CreateAttempts, ManageEndpoint, ManageEndpointSecret, ViewBase, ViewEndpointSecret,
};

/// What a token may do: what is listed, or all that one of an application may.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Capabilities(pub(super) Option<BTreeSet<Capability>>);

/// What a route asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Need {
    /// No more than a good token.
    Nothing,
    /// A token with this, or without limits.
    One(Capability),
    /// A token without limits.
    All,
}

const PREFIX: &str = "/api/v1";
const ENDPOINTS: &str = "/app/{app_id}/endpoint";
const ENDPOINT: &str = "/app/{app_id}/endpoint/{endpoint_id}";
const HEADERS: &str = "/app/{app_id}/endpoint/{endpoint_id}/headers";

/// The routes that ask for something else than `ViewBase` to look and everything to change.
const NEEDS: [(Method, &str, Need); 13] = [
    (Method::GET, "/app/{app_id}/endpoint/{endpoint_id}/secret", Need::One(ViewEndpointSecret)),
    (
        Method::POST,
        "/app/{app_id}/endpoint/{endpoint_id}/secret/rotate",
        Need::One(ManageEndpointSecret),
    ),
    (Method::POST, ENDPOINTS, Need::One(ManageEndpoint)),
    (Method::PUT, ENDPOINT, Need::One(ManageEndpoint)),
    (Method::PATCH, ENDPOINT, Need::One(ManageEndpoint)),
    (Method::DELETE, ENDPOINT, Need::One(ManageEndpoint)),
    (Method::PUT, HEADERS, Need::One(ManageEndpoint)),
    (Method::PATCH, HEADERS, Need::One(ManageEndpoint)),
    (Method::POST, "/app/{app_id}/endpoint/{endpoint_id}/recover", Need::One(CreateAttempts)),
    (
        Method::POST,
        "/app/{app_id}/endpoint/{endpoint_id}/replay-missing",
        Need::One(CreateAttempts),
    ),
    (Method::POST, "/app/{app_id}/endpoint/{endpoint_id}/bulk-replay", Need::One(CreateAttempts)),
    (
        Method::POST,
        "/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend",
        Need::One(CreateAttempts),
    ),
    (Method::POST, "/auth/logout", Need::Nothing),
];

impl Capabilities {
    /// Refuses a request that asks for more.
    pub(super) fn admit(&self, parts: &Parts) -> Result<(), ApiError> {
        let Some(held) = &self.0 else { return Ok(()) };
        let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let missing = match Need::of(&parts.method, route) {
            Need::Nothing => return Ok(()),
            Need::One(needed) if held.iter().any(|one| one.includes(needed)) => return Ok(()),
            Need::One(needed) => {
                format!("This needs the capability `{needed}`, which the token has not")
            }
            Need::All => "This needs a token that is not limited to some capabilities".to_owned(),
        };
        Err(ApiError::forbidden(missing))
    }
}

impl Need {
    fn of(method: &Method, route: &str) -> Self {
        // What answers a GET answers a HEAD.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let route = route.strip_prefix(PREFIX).unwrap_or(route);
        let found = NEEDS.iter().find(|(one, path, _)| one == method && *path == route);
        match found {
            Some((.., need)) => *need,
            None if method == Method::GET => Self::One(ViewBase),
            None => Self::All,
        }
    }
}
