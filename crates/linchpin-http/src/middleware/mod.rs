//! What stands around every handler, in one order.
//!
//! ```text
//! request_id ▶ observe ▶ catch_panic ▶ context ▶ admission ▶ body limit ▶ handler
//! ```
//!
//! The id comes first, so that everything after can name it. The observer stands outside the panic boundary: it counts
//! and logs the 500 that a panic became. The context is made late, so that its deadline measures the handler. Then
//! [`Admission`], if there is one, refuses what is too much, before anything looks at a token or a body.
//! [`stack`] applies all of them; each is usable alone with `axum::middleware::from_fn_with_state`. So is [`bulkhead`], which
//! belongs around some handlers and not around all, and [`rate_limit`], for who knows by what to tell callers apart.

mod admission;
mod arriving;
mod bulkhead;
mod catch_panic;
mod context;
mod observe;
mod rate_limit;
mod request_id;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use linchpin::Context;

pub use self::admission::{Admission, Door, admission};
pub use self::bulkhead::{Inside, bulkhead};
pub use self::catch_panic::catch_panic;
pub use self::context::{Ctx, ctx};
pub use self::observe::{Observer, observe};
pub use self::rate_limit::{PerCaller, rate_limit};
pub use self::request_id::{RequestId, request_id};
use crate::problem::{Problem, Registered};

/// An error that the middleware itself answers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ErrorPage<'a> {
    /// The status to answer.
    pub status: StatusCode,
    /// The type of the problem, if there is one that is registered.
    pub problem: Option<Registered>,
    /// The limits that are used up, by the names that clients know: `violated-policies` of the problem.
    pub policies: &'a [&'a str],
    /// What a client may read.
    pub detail: &'a str,
    /// The request.
    pub request_id: &'a str,
}

/// Makes a response of an [`ErrorPage`]; a plain function, so that a service keeps one shape of error body.
pub type OnError = fn(ErrorPage<'_>) -> Response;

/// How the stack behaves.
#[derive(Clone, Debug)]
pub struct StackOptions {
    on_error: OnError,
    body_limit: usize,
    timeout: Option<Duration>,
    admission: Option<Admission>,
}

/// What the parts share.
#[derive(Clone, Debug)]
pub struct Stack {
    /// The parent of every request's context.
    pub work: Context,
    /// The shape of error bodies.
    pub on_error: OnError,
    /// The time for a request.
    pub timeout: Option<Duration>,
}

/// Puts the whole stack around `router`, with `work` as the parent of every request's context.
pub fn stack(router: Router, work: &Context, options: &StackOptions) -> Router {
    let shared = Arc::new(Stack {
        work: work.clone(),
        on_error: options.on_error,
        timeout: options.timeout,
    });
    let router = router.layer(DefaultBodyLimit::max(options.body_limit));
    let router = match options.admission.clone() {
        Some(own) => {
            let door = Arc::new(Door::new(own, options.on_error));
            router.layer(from_fn_with_state(door, admission))
        }
        None => router,
    };
    router
        .layer(from_fn_with_state(shared.clone(), ctx))
        .layer(from_fn_with_state(shared, catch_panic))
        .layer(from_fn_with_state(Observer::new(), observe))
        .layer(from_fn(request_id))
}

impl ErrorPage<'_> {
    /// It as a [`Problem`], of no request yet.
    fn problem(&self) -> Problem {
        let problem = Problem::from_status(self.status, self.detail);
        match self.problem {
            Some(registered) => problem.registered(registered),
            None => problem,
        }
    }
}

impl Default for StackOptions {
    fn default() -> Self {
        let on_error =
            |page: ErrorPage<'_>| page.problem().request_id(page.request_id).into_response();
        Self { on_error, body_limit: 1 << 20, timeout: None, admission: None }
    }
}

impl StackOptions {
    /// The shape of error bodies. Default: [`Problem`].
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    /// The largest body that extractors take, in bytes. Default 1 MiB.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// The time for a request, unless its `x-request-timeout-ms` header asks for less. Default: no limit.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Who is let in when not everybody can be. Default: everybody.
    #[must_use]
    pub fn admission(mut self, admission: Admission) -> Self {
        self.admission = Some(admission);
        self
    }
}
