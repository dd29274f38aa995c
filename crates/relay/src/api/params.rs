//! Query strings and path parameters.

use std::borrow::Cow;
use std::collections::BTreeSet;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::error::ApiError;
use super::words;
use crate::model::Faults;
use crate::model::attempt::CANCELED;
use crate::store::page::{Cursor, Key, Order, Walk};

/// The most rows of a page.
const MAX_LIMIT: u64 = 250;
const LIMIT: u64 = 50;
/// What axum says in front of a fault.
const PARSER: &str = "Failed to deserialize query string: ";

/// The query string. Several of these may read the same one; each takes what it knows.
#[derive(Clone, Debug)]
pub(super) struct Params<T>(pub(super) T);

/// The parameters of the path, by name.
#[derive(Clone, Debug)]
pub(super) struct At<T>(pub(super) T);

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// How many items, 1 to 250; 50 unless given.
    #[param(minimum = 1, maximum = 250)]
    limit: Option<i64>,
    /// An `iterator` or `prevIterator` of an earlier page.
    iterator: Option<String>,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OrderQuery {
    /// By id, which is by time.
    #[param(inline)]
    order: Option<OrderName>,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum OrderName {
    Ascending,
    Descending,
}

/// Whether content is shown.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ContentQuery {
    /// False leaves payloads and responses out.
    #[serde(default = "yes")]
    pub(super) with_content: bool,
}

/// Names separated by commas, or a parameter given several times.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub(super) struct Names(pub(super) BTreeSet<String>);

/// What became of an attempt or a message, as a query names it: any text, until it is judged.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Status(String);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct AppPath {
    /// Id or uid of the application.
    pub(super) app_id: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct EndpointPath {
    /// Id or uid of the application.
    pub(super) app_id: String,
    /// Id or uid of the endpoint.
    pub(super) endpoint_id: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct MessagePath {
    /// Id or uid of the application.
    pub(super) app_id: String,
    /// Id or `eventId` of the message.
    pub(super) msg_id: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(clippy::struct_field_names, reason = "the names of the parameters in the path")]
pub(super) struct DestinationPath {
    /// Id or uid of the application.
    pub(super) app_id: String,
    /// Id or `eventId` of the message.
    pub(super) msg_id: String,
    /// Id or uid of the endpoint.
    pub(super) endpoint_id: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(clippy::struct_field_names, reason = "the names of the parameters in the path")]
pub(super) struct AttemptPath {
    /// Id or uid of the application.
    pub(super) app_id: String,
    /// Id or `eventId` of the message.
    pub(super) msg_id: String,
    /// Id of the attempt.
    pub(super) attempt_id: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct EventTypePath {
    /// The name of the event type.
    pub(super) event_type_name: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OperationalPath {
    /// Id or uid of the endpoint.
    pub(super) endpoint_id: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct TaskPath {
    /// Id of the task.
    pub(super) task_id: String,
}

// ===== impl PageQuery =====

impl PageQuery {
    /// The walk that is asked for, in the list's own order.
    pub(super) fn walk<K: Key>(&self, order: Order) -> Result<Walk<K>, ApiError> {
        let mut faults = Faults::of("query");
        let limit = self.limit.map_or(Ok(LIMIT), u64::try_from).unwrap_or(0);
        if !(1..=MAX_LIMIT).contains(&limit) {
            faults.add(["limit", "limit"], format!("must be from 1 to {MAX_LIMIT}"));
        }
        let cursor: Option<Cursor<K>> = match self.iterator.as_deref().map(str::parse).transpose() {
            Ok(cursor) => cursor,
            Err(_) => {
                faults.add(["iterator", "__all__"], "is not an iterator of this list");
                None
            }
        };
        faults.into_result()?;
        Ok(Walk::new(limit as usize, order, cursor))
    }
}

impl OrderQuery {
    /// The order that is asked for, or the list's own.
    pub(super) fn or(self, default: Order) -> Order {
        match self.order {
            None => default,
            Some(OrderName::Ascending) => Order::Ascending,
            Some(OrderName::Descending) => Order::Descending,
        }
    }
}

impl Status {
    /// Its number.
    pub(super) fn number(&self) -> Result<u8, ApiError> {
        let number = self.0.parse().ok().filter(|number| *number <= CANCELED);
        number.ok_or_else(|| {
            let mut faults = Faults::of("query");
            let known = "must be 0 (success), 1 (pending), 2 (failed), 3 (sending) or 4 (canceled)";
            faults.add(["status"], known);
            faults.into()
        })
    }
}

impl From<String> for Names {
    fn from(text: String) -> Self {
        Self(text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }
}

/// A name in the path that is about to become an event type's.
pub(super) fn path_name(name: &str) -> Result<(), ApiError> {
    let mut faults = Faults::of("path");
    crate::model::rules::name(&mut faults, "event_type_name", name);
    Ok(faults.into_result()?)
}

pub(super) const fn yes() -> bool {
    true
}

// ===== extractors =====

impl<T: DeserializeOwned> FromRequestParts<ApiState> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        let malformed = || ApiError::query("The query string is malformed".to_owned());
        let uri = joined(&parts.uri).map_err(|_| malformed())?;
        match Query::try_from_uri(&uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(QueryRejection::FailedToDeserializeQueryString(fault)) => {
                let said = fault.body_text();
                let said = said.strip_prefix(PARSER).unwrap_or(&said);
                Err(ApiError::query(words::of_query(said)))
            }
            Err(_) => Err(malformed()),
        }
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<ApiState> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        // The names are those of the route, so only escapes that are no UTF-8 can fail: they name nothing.
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(path)| Self(path)).map_err(|_| ApiError::not_found())
    }
}

/// Makes one comma list of `event_types`, however it is spelled: `event_types[]`, `event_types[1]`, or repeated.
fn joined(uri: &Uri) -> Result<Cow<'_, Uri>, http::Error> {
    const NAME: &str = "event_types";
    let query = uri.query().unwrap_or_default();
    if !query.contains(NAME) {
        return Ok(Cow::Borrowed(uri));
    }
    let mut joined = form_urlencoded::Serializer::new(String::new());
    let mut names = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.strip_prefix(NAME) {
            Some("") => names.push(value),
            Some(index) if index.starts_with('[') && index.ends_with(']') => names.push(value),
            _ => {
                joined.append_pair(&name, &value);
            }
        }
    }
    joined.append_pair(NAME, &names.join(","));
    let joined = Uri::builder().path_and_query(format!("/?{}", joined.finish())).build()?;
    Ok(Cow::Owned(joined))
}
