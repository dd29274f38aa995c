//! RFC 9457 problem responses.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use linchpin::{Error, Kind};
use serde::Serialize;

/// What a client reads when a request failed: never internals, always the same shape.
///
/// Made from an [`Error`] it has the status of the error's [`Kind`] and its public text. Log the error before, if it is
/// our fault: the rest of it is not in the problem.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// Identifies the kind of problem; `about:blank` as long as there is no page to point at.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// For machines: [`Kind::as_str`].
    pub code: &'static str,
    /// For people.
    pub detail: String,
    /// The request this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// A problem of this kind, with a text that a client may read.
    #[must_use]
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { code: kind.as_str(), ..Self::from_status(status(kind), detail) }
    }

    /// A problem that only has a status.
    #[must_use]
    pub fn from_status(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code: "http",
            detail: detail.into(),
            request_id: None,
        }
    }

    /// Names the request.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }
}

fn status(kind: Kind) -> StatusCode {
    StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl From<&Error> for Problem {
    /// The error's kind and public text; what it wraps stays in the log.
    fn from(error: &Error) -> Self {
        Self::new(error.kind(), error.public())
    }
}

impl From<Error> for Problem {
    /// The same, for the `?` of a handler.
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        answer(self.status, self)
    }
}

/// A response with that problem, which may have members of its own.
pub(crate) fn answer(status: u16, problem: impl Serialize) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, axum::Json(problem)).into_response();
    let json = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
