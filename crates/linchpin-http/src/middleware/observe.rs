//! A span, a log line and numbers for every request.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, StatusCode};
use linchpin::sync::RwLock;
use linchpin::time::Instant;
use metrics::{Counter, Histogram};
use tracing::Instrument as _;

use super::RequestId;

/// The numbers of every route, resolved once a route.
#[derive(Clone)]
pub struct Observer {
    routes: Arc<RwLock<Routes>>,
}

type Routes = HashMap<(Method, Arc<str>), Arc<Route>>;

struct Route {
    seconds: Histogram,
    /// By the first digit of the status: 1xx to 5xx.
    classes: [Counter; 5],
}

/// Puts a span around the handler, and logs and counts what became of the request. The label is the route as it was
/// declared, never the path: labels stay bounded.
///
/// # Cancel safety
///
/// Dropping the future drops the handler. The request is then neither counted nor logged: nobody was answered.
pub async fn observe(State(observer): State<Observer>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("(none)", MatchedPath::as_str);
    let id = request.extensions().get::<RequestId>().map_or("", RequestId::as_str);
    let span = tracing::info_span!("request", id, %method, route = path);
    let route = observer.route(&method, path);
    let response = next.run(request).instrument(span.clone()).await;

    let status = response.status();
    let elapsed = began.elapsed();
    route.count(status);
    route.seconds.record(elapsed.as_secs_f64());
    let (status, ms) = (status.as_u16(), elapsed.as_secs_f64() * 1_000.0);
    span.in_scope(|| match status {
        500.. => tracing::error!(status, ms, "answered"),
        _ => tracing::debug!(status, ms, "answered"),
    });
    response
}

impl Observer {
    /// An observer that knows no route yet.
    #[must_use]
    pub fn new() -> Self {
        Self { routes: Arc::default() }
    }

    fn route(&self, method: &Method, path: &str) -> Arc<Route> {
        // Methods are bounded: what is not standard is not matched by any route.
        let method = if is_standard(method) { method.clone() } else { Method::OPTIONS };
        let key = (method, Arc::from(path));
        let known = self.routes.read().get(&key).cloned();
        known.unwrap_or_else(|| {
            let mut routes = self.routes.write();
            routes
                .entry(key.clone())
                .or_insert_with(|| Arc::new(Route::new(&key.0, &key.1)))
                .clone()
        })
    }
}

impl Route {
    fn new(method: &Method, path: &str) -> Self {
        let (method, path) = (method.to_string(), path.to_owned());
        let class = |class: &'static str| {
            metrics::counter!(
                "linchpin_http_requests_total",
                "method" => method.clone(), "route" => path.clone(), "status" => class,
            )
        };
        Self {
            classes: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(class),
            seconds: metrics::histogram!("linchpin_http_request_seconds", "route" => path.clone()),
        }
    }

    fn count(&self, status: StatusCode) {
        if let Some(class) = self.classes.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            class.increment(1);
        }
    }
}

fn is_standard(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]
        .contains(method)
}

impl Default for Observer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}
