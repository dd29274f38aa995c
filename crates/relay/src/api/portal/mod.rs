//! `/portal`: a page where an application's users look after their endpoints.
//!
//! It is a few static files and a client of the API like any other: all that it may do is in its token, which comes in the
//! fragment of a link and goes to nobody but this Relay. It loads nothing from elsewhere, and what receivers and senders say
//! is shown as text.

use axum::Router;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use axum::routing::get;

const PAGE: &str = include_str!("portal.html");
const STYLE: &str = include_str!("portal.css");
/// What the page does.
const SCRIPT: &str = include_str!("portal.js");
/// Whom it asks, and as whom.
const SESSION: &str = include_str!("session.js");
/// How it shows things.
const VIEW: &str = include_str!("view.js");

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Nothing but these files, from here, and calls to here. Nobody else's page may show it in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// The page and its files, without a token.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let file = |kind: &'static str, text: &'static str| get(async move || served(kind, text));
    Router::new()
        .route("/portal", file(HTML, PAGE))
        .route("/portal/portal.css", file(CSS, STYLE))
        .route("/portal/portal.js", file(JAVASCRIPT, SCRIPT))
        .route("/portal/session.js", file(JAVASCRIPT, SESSION))
        .route("/portal/view.js", file(JAVASCRIPT, VIEW))
}

fn served(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // All files are of one Relay: after an upgrade a browser must not mix them.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text)
}
