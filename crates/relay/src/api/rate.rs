//! How often each principal may ask.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use linchpin::resilience::limiter::{Keyed, KeyedOptions, Options, Rate};
use linchpin_http::middleware::{self, PerCaller};
use linchpin_http::rate_limit::RateLimit;

use super::auth::{self, Caller, Tokens};
use super::error;
use crate::ids::{AppId, OrgId};

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Principal {
    /// Whoever has the token of an application.
    App(AppId),
    /// Whoever has the token of an organisation.
    Org(OrgId),
}

/// A limit, and what each principal has used of it.
#[derive(Clone, Debug)]
pub struct RateLimited {
    /// What is used.
    pub limiter: Keyed<Principal>,
    /// How replies tell of it.
    fields: RateLimit,
}

/// A limit of so many requests a second for each principal, with a burst of as many; none if that is zero.
///
/// # Errors
///
/// If no limiter can keep to the rate.
pub fn rate_limit(per_second: u32) -> linchpin::Result<Option<RateLimited>> {
    if per_second == 0 {
        return Ok(None);
    }
    let rate = Rate::per_second(per_second);
    let limiter = Keyed::new("api", rate, Options::default(), KeyedOptions::default())?;
    Ok(Some(RateLimited { limiter, fields: RateLimit::new("api")? }))
}

/// The limit around all routes. A request without a good token passes, to be refused for that.
pub(super) fn layered(router: Router, limit: Option<RateLimited>, tokens: Arc<Tokens>) -> Router {
    let Some(RateLimited { limiter, fields }) = limit else { return router };
    let limit = PerCaller::new(fields, limiter, move |parts| {
        let caller = auth::caller(parts, &tokens).ok()?;
        Some(match caller {
            Caller::Org(org) => Principal::Org(org),
            Caller::App { app, .. } => Principal::App(app),
        })
    });
    router
        .layer(from_fn_with_state(limit.on_error(error::page), middleware::rate_limit::<Principal>))
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(app) => app.fmt(f),
            Self::Org(org) => org.fmt(f),
        }
    }
}
