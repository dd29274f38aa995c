//! The body of every reply that is not a success.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use linchpin::{Error, Kind};
use linchpin_data::sqlite::CommitUnknown;
use linchpin_http::middleware::ErrorPage;
use linchpin_http::problem::Registered;
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::Faults;
use crate::model::faults::Fault;
use crate::store::Refusal;

/// A reply that is not a success: `{"code","detail"}`, or for a 422 with places `{"detail":[{"loc","msg","type"}]}`,
/// each with the members of a problem (RFC 9457) beside them.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    retry_after: Option<u16>,
    detail: Detail,
    /// The type of the problem, if it has one of its own.
    problem: Option<Registered>,
    /// The limits that are used up.
    policies: Vec<String>,
}

#[derive(Clone, Debug)]
enum Detail {
    Plain { code: &'static str, text: Cow<'static, str> },
    Faults { code: Option<&'static str>, faults: Vec<Fault> },
}

/// The body of an error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody<'a> {
    /// For programs.
    code: &'a str,
    /// For people.
    detail: &'a str,
    #[serde(flatten)]
    problem: Problem,
    /// Of a 429: the names of the limits that are used up, as in `RateLimit-Policy`.
    #[serde(rename = "violated-policies", skip_serializing_if = "<[String]>::is_empty")]
    #[schema(required = false)]
    policies: &'a [String],
}

/// The body of a 422 that says what is wrong where.
#[derive(Debug, Serialize, ToSchema)]
pub struct ValidationBody<'a> {
    /// For programs, where one word says it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    /// Everything that is wrong.
    detail: &'a [Fault],
    #[serde(flatten)]
    problem: Problem,
}

/// The members of RFC 9457 that do not collide with those above.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank`, where the status says it all; or a type that is registered for what is over a limit.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    /// What the type is in words, or else the status.
    #[schema(value_type = String)]
    title: &'static str,
    /// The status again.
    status: u16,
}

/// What a 401 asks for.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"relay\"");

/// How the middleware shows what it answers itself: a panic, a time-out.
#[must_use]
pub fn page(page: ErrorPage<'_>) -> Response {
    let policies = page.policies.iter().map(|&policy| policy.to_owned()).collect();
    let error = ApiError::of_status(page.status);
    ApiError { problem: page.problem, policies, ..error }.into_response()
}

// ===== impl ApiError =====

impl ApiError {
    /// An error with a code and a text for clients.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self::of(status, Detail::Plain { code, text: text.into() })
    }

    fn of(status: StatusCode, detail: Detail) -> Self {
        let detail = match detail {
            // To every client the detail of a 422 is a list. This one has no place to name.
            Detail::Plain { code, text } if status == StatusCode::UNPROCESSABLE_ENTITY => {
                let fault = Fault { loc: Vec::new(), msg: text.into_owned(), kind: code };
                Detail::Faults { code: Some(code), faults: vec![fault] }
            }
            other => other,
        };
        Self { status, retry_after: None, detail, problem: None, policies: Vec::new() }
    }

    fn invalid(code: Option<&'static str>, faults: &Faults) -> Self {
        let detail = Detail::Faults { code, faults: faults.items().to_vec() };
        Self::of(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// 404 for what is not there or not the caller's.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Entity not found")
    }

    /// 401, whatever is wrong with the token.
    pub(super) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "authentication_failed", "Invalid token")
    }

    /// 403, and what would do.
    pub(super) fn forbidden(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "insufficient access", text)
    }

    /// 400 for a query string that does not parse.
    pub(super) fn query(text: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "generic_error", text)
    }

    /// An error that has only a status, from a layer below: too slow, too large, a panic.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let (code, text) = match status {
            StatusCode::BAD_REQUEST => ("generic_error", "The request is malformed"),
            StatusCode::NOT_FOUND => ("not_found", "There is no such path"),
            StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "This path has other methods"),
            StatusCode::REQUEST_TIMEOUT => {
                ("request_timeout", "The request took too long to arrive")
            }
            StatusCode::PAYLOAD_TOO_LARGE => ("payload_too_large", "The body is larger than 1 MiB"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("unsupported_media_type", "The body must be JSON: content-type: application/json")
            }
            StatusCode::TOO_MANY_REQUESTS => ("rate_limited", "Too many requests; see Retry-After"),
            StatusCode::SERVICE_UNAVAILABLE => ("unavailable", "Not available for the moment"),
            status if status.is_client_error() => ("generic_error", "The request cannot be served"),
            _ => ("internal", "Something went wrong on our side"),
        };
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        Self { retry_after, ..Self::new(status, code, text) }
    }

    /// The status of the reply.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<Faults> for ApiError {
    fn from(faults: Faults) -> Self {
        Self::invalid(None, &faults)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Conflict { code, detail } => Self::new(StatusCode::CONFLICT, code, detail),
            Refusal::Unsuited { code, detail } => Self::new(StatusCode::BAD_REQUEST, code, detail),
            Refusal::Invalid(faults) => faults.into(),
            Refusal::NotFound => Self::not_found(),
            Refusal::KeyReused => {
                let code = "idempotency_key_reused";
                let text = "This idempotency key came with another query or body before";
                Self::invalid(Some(code), &Faults::one("header", [super::body::KEY], code, text))
            }
        }
    }
}

impl From<Error> for ApiError {
    /// Shows the public text only; what is our fault goes to the log whole.
    fn from(error: Error) -> Self {
        if let Some(refusal) = error.find::<Refusal>() {
            return refusal.clone().into();
        }
        let kind = error.kind();
        let status =
            StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::error!(kind = kind.as_str(), error = %error.report(), "a request failed");
        }
        if error.find::<CommitUnknown>().is_some() {
            let text = "It is not known whether this was stored. Try again with the same idempotency key, \
                        which makes that safe";
            return Self { retry_after: Some(1), ..Self::new(status, "outcome_unknown", text) };
        }
        let retry_after = matches!(kind, Kind::Unavailable | Kind::ResourceExhausted).then_some(1);
        Self { retry_after, ..Self::new(status, kind.as_str(), error.public().to_owned()) }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        // Of `about:blank` the title is the status in words.
        let title = self.status.canonical_reason().unwrap_or("Error");
        let Registered { kind, title } =
            self.problem.unwrap_or(Registered { kind: "about:blank", title });
        let problem = Problem { kind, title, status: self.status.as_u16() };
        let body = match &self.detail {
            Detail::Plain { code, text } => {
                let policies = &self.policies;
                serde_json::to_vec(&ErrorBody { code, detail: text, problem, policies })
            }
            Detail::Faults { code, faults: detail } => {
                serde_json::to_vec(&ValidationBody { code: *code, detail, problem })
            }
        }
        .expect("strings and numbers are JSON");
        let json = [(header::CONTENT_TYPE, "application/json")];
        let mut response = (self.status, json, body).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
