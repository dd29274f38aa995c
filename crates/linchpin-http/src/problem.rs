//! RFC 9457 problem responses.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use linchpin::resilience::Refusal;
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

    /// Says that it is a problem of a registered type.
    #[must_use]
    pub fn registered(self, problem: Registered) -> Self {
        Self { kind: problem.kind, title: problem.title.to_owned(), ..self }
    }

    /// Names the request.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }
}

/// A type of problem that is registered, and the title that goes with it whatever the status.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Registered {
    /// Its URI.
    pub kind: &'static str,
    /// What it is, for people.
    pub title: &'static str,
}

impl Registered {
    /// A quota is used up, by the draft of HTTP's `RateLimit` fields.
    pub const QUOTA_EXCEEDED: Self = Self {
        kind: "https://iana.org/assignments/http-problem-types#quota-exceeded",
        title: "Request cannot be satisfied as assigned quota has been exceeded",
    };
    /// There is too much to do for the moment, by the same draft.
    pub const REDUCED_CAPACITY: Self = Self {
        kind: "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
        title: "Request cannot be satisfied due to temporary server capacity constraints",
    };
}

fn status(kind: Kind) -> StatusCode {
    StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl From<&Error> for Problem {
    /// The error's kind and public text; what it wraps stays in the log. The status is the kind's, or a
    /// [`Refusal`]'s: 503 where something on this side is full.
    fn from(error: &Error) -> Self {
        let kind = error.kind();
        let refusal = error.find::<Refusal>().filter(|refusal| refusal.kind == kind);
        let status = refusal.map_or(kind.http_status(), Refusal::http_status);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { code: kind.as_str(), ..Self::from_status(status, error.public()) }
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
