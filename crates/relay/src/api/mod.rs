//! Routes, tokens and error bodies. Handlers are thin: extract, ask the [store](crate::store), show.
//!
//! The wire is that of the Svix API, with these differences: places in a 422 are in JSON names, every error has a JSON
//! body with the members of a problem, and an idempotency key is bound to what came with it. What a recovery, a
//! replay or a resend sends is tried again by the schedule when it fails, to an endpoint that is disabled nothing is sent
//! again, tasks show what they have done while they run, and a page of a filtered list may be short before the list is done.

mod admission;
mod application;
mod attempt;
mod attempted;
pub mod auth;
mod authentication;
mod background_task;
mod bodies;
mod body;
mod capability;
mod docs;
mod endpoint;
mod endpoint_headers;
mod endpoint_secret;
mod endpoint_stats;
mod endpoint_task;
pub mod error;
mod event_type;
mod expunge;
mod health;
mod manual;
mod message;
mod normalize;
mod operational;
mod params;
mod portal;
mod rate;
mod usage;
mod words;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use linchpin_http::client::AddressPolicy;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use self::admission::Gate;
use self::auth::Tokens;
pub use self::bodies::{Bodies, LIMIT as BODY_LIMIT};
use self::error::ApiError;
pub use self::normalize::normalised;
pub use self::rate::{Principal, RateLimited, rate_limit};
use crate::store::{Put, Store};

/// What handlers share. Clones share it, too.
#[derive(Clone)]
pub struct ApiState {
    /// What is kept.
    pub store: Store,
    /// Whom to believe.
    pub tokens: Arc<Tokens>,
    /// Where the portal is, to which links lead.
    pub portal_url: Arc<str>,
    /// Which hosts endpoints may name.
    pub addresses: Arc<AddressPolicy>,
    /// Where the bodies of requests are read.
    pub bodies: Bodies,
    /// How often each principal may ask, if there is a limit.
    pub rate_limit: Option<RateLimited>,
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState").field("store", &self.store).finish_non_exhaustive()
    }
}

/// How long a browser may remember what CORS allows.
const CORS_AGE: Duration = Duration::from_mins(10);

/// The whole API. Put the middleware stack around it, and [`normalised`] around all that.
///
/// Handlers want `linchpin_http`'s `Ctx`, which its stack provides.
pub fn router(state: ApiState) -> Router {
    let (routes, document) = parts();
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers(AllowHeaders::mirror_request())
        .max_age(CORS_AGE);
    let (limited, tokens) = (state.rate_limit.clone(), state.tokens.clone());
    let router = routes
        .merge(docs::router(&document))
        .merge(portal::router())
        .fallback(async || ApiError::of_status(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(async || ApiError::of_status(StatusCode::METHOD_NOT_ALLOWED))
        .with_state(state);
    // Outside of it, so that a browser may read the refusal.
    rate::layered(router, limited, tokens).layer(cors)
}

/// The description of the API, as it is served under `/api/v1/openapi.json`.
#[must_use]
pub fn openapi() -> OpenApi {
    parts().1
}

fn parts() -> (Router<ApiState>, OpenApi) {
    let api = OpenApiRouter::new()
        .merge(application::router())
        .merge(event_type::router())
        .merge(endpoint::router())
        .merge(endpoint_headers::router())
        .merge(endpoint_secret::router())
        .merge(endpoint_stats::router())
        .merge(endpoint_task::router())
        .merge(message::router())
        .merge(expunge::router())
        .merge(manual::router())
        .merge(attempt::router())
        .merge(attempted::router())
        .merge(background_task::router())
        .merge(authentication::router())
        .merge(operational::router())
        .merge(usage::router())
        .merge(health::router());
    let (routes, document) = OpenApiRouter::new().nest("/api/v1", api).split_for_parts();
    (routes, docs::complete(document))
}

fn status_of(put: Put) -> StatusCode {
    match put {
        Put::Created => StatusCode::CREATED,
        Put::Replaced => StatusCode::OK,
    }
}
