//! Paths as old clients write them: `//api/v1/app/` is `/api/v1/app`.

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use tower::util::MapRequest;

/// Routes by the path without doubled leading and without trailing slashes.
///
/// Goes around everything: layers of a router run after the route has been chosen.
pub fn normalised(router: Router) -> Router {
    Router::new().fallback_service(MapRequest::new(router, |mut request: Request| {
        if let Some(uri) = normal(request.uri()) {
            *request.uri_mut() = uri;
        }
        request
    }))
}

/// The normal form, if it differs.
fn normal(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let trimmed = path.trim_matches('/');
    if path.len() <= trimmed.len() + 1 && !path.ends_with('/') || path == "/" {
        return None;
    }
    let text = match uri.query() {
        Some(query) => format!("/{trimmed}?{query}"),
        None => format!("/{trimmed}"),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}
