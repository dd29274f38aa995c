//! `/app/{app_id}/attempt`, and single attempts.

use axum::Json;
use axum::extract::State;
use linchpin_http::middleware::Ctx;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::auth::Caller;
use super::error::ApiError;
use super::params::{
    self, At, AttemptPath, ContentQuery, DestinationPath, EndpointPath, MessagePath, Names,
    PageQuery, Params, Status,
};
use crate::model::attempt::{MessageAttemptOut, StatusClass};
use crate::model::page::Page;
use crate::model::time::Time;
use crate::store::page::Order;
use crate::store::{AttemptFilter, WithMessage};

const TAG: &str = "Attempt";

#[expect(deprecated, reason = "clients that use the older paths are served")]
pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list_by_endpoint))
        .routes(routes!(list_by_message))
        .routes(routes!(get))
        .routes(routes!(list_by_message_before))
        .routes(routes!(list_by_destination))
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FilterQuery {
    /// Only those that ended so: 0 success, 2 fail.
    #[param(value_type = Option<u8>, minimum = 0, maximum = 4)]
    status: Option<Status>,
    /// Only those answered with such a code: 0, 100, 200, 300, 400 or 500.
    #[param(value_type = Option<u16>)]
    status_code_class: Option<StatusClass>,
    /// Only those of messages on this channel.
    channel: Option<String>,
    /// Only those of messages with this tag.
    tag: Option<String>,
    /// Only those of messages of these types, separated by commas.
    #[param(value_type = Option<String>)]
    event_types: Option<Names>,
    /// Only those before this moment, at most 90 days.
    #[param(value_type = Option<String>, format = DateTime)]
    before: Option<Time>,
    /// Only those after this moment, at most 90 days; oldest page first.
    #[param(value_type = Option<String>, format = DateTime)]
    after: Option<Time>,
    /// Whether the message comes with each.
    #[serde(default)]
    with_msg: bool,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfMessageQuery {
    /// Only those to this endpoint, by id or uid.
    endpoint_id: Option<String>,
    /// False leaves responses out.
    #[serde(default = "params::yes")]
    with_content: bool,
}

/// List the attempts to deliver to an endpoint, newest first.
#[utoipa::path(get, path = "/app/{app_id}/attempt/endpoint/{endpoint_id}", tag = TAG,
    operation_id = "message_attempt.list_by_endpoint", params(EndpointPath, PageQuery, FilterQuery, ContentQuery),
    responses((status = 200, body = Page<MessageAttemptOut>)))]
async fn list_by_endpoint(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
    Params(page): Params<PageQuery>,
    Params(filter): Params<FilterQuery>,
    Params(content): Params<ContentQuery>,
) -> Result<Json<Page<MessageAttemptOut>>, ApiError> {
    let walk = page.walk(Order::Descending)?;
    let (scope, endpoint) = (caller.scope(&path.app_id), path.endpoint_id.as_str().into());
    let page = state
        .store
        .list_attempts_by_endpoint(&ctx, scope, endpoint, walk, filter.try_into()?)
        .await?;
    Ok(shown(page, content.with_content))
}

/// List the attempts to deliver a message, newest first.
#[utoipa::path(get, path = "/app/{app_id}/attempt/msg/{msg_id}", tag = TAG,
    operation_id = "message_attempt.list_by_msg",
    params(MessagePath, PageQuery, FilterQuery, OfMessageQuery),
    responses((status = 200, body = Page<MessageAttemptOut>)))]
async fn list_by_message(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<MessagePath>,
    Params(page): Params<PageQuery>,
    Params(filter): Params<FilterQuery>,
    Params(of): Params<OfMessageQuery>,
) -> Result<Json<Page<MessageAttemptOut>>, ApiError> {
    let walk = page.walk(Order::Descending)?;
    let (scope, message) = (caller.scope(&path.app_id), path.msg_id.as_str().into());
    let endpoint = of.endpoint_id.as_deref().map(Into::into);
    let page = state
        .store
        .list_attempts_by_message(&ctx, scope, message, endpoint, walk, filter.try_into()?)
        .await?;
    Ok(shown(page, of.with_content))
}

/// Get an attempt.
#[utoipa::path(get, path = "/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}", tag = TAG,
    operation_id = "message_attempt.get", params(AttemptPath), responses((status = 200, body = MessageAttemptOut)))]
async fn get(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<AttemptPath>,
) -> Result<Json<MessageAttemptOut>, ApiError> {
    let (scope, message) = (caller.scope(&path.app_id), path.msg_id.as_str().into());
    let id = path.attempt_id.parse().map_err(|_| ApiError::not_found())?;
    let attempt = state.store.attempt(&ctx, scope, message, id).await?;
    Ok(Json(MessageAttemptOut::new(attempt, None, true)))
}

/// List the attempts to deliver a message. `/app/{app_id}/attempt/msg/{msg_id}` is the same.
#[utoipa::path(get, path = "/app/{app_id}/msg/{msg_id}/attempt", tag = TAG,
    operation_id = "message_attempt.list_by_msg_deprecated",
    params(MessagePath, PageQuery, FilterQuery, OfMessageQuery),
    responses((status = 200, body = Page<MessageAttemptOut>)))]
#[deprecated = "an older path"]
async fn list_by_message_before(
    state: State<ApiState>,
    ctx: Ctx,
    caller: Caller,
    path: At<MessagePath>,
    page: Params<PageQuery>,
    filter: Params<FilterQuery>,
    of: Params<OfMessageQuery>,
) -> Result<Json<Page<MessageAttemptOut>>, ApiError> {
    list_by_message(state, ctx, caller, path, page, filter, of).await
}

/// List the attempts to deliver a message to an endpoint. `/app/{app_id}/attempt/msg/{msg_id}` has a filter for that.
#[utoipa::path(get, path = "/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/attempt", tag = TAG,
    operation_id = "message_attempt.list_by_endpoint_deprecated",
    params(DestinationPath, PageQuery, FilterQuery, ContentQuery),
    responses((status = 200, body = Page<MessageAttemptOut>)))]
#[deprecated = "an older path"]
async fn list_by_destination(
    state: State<ApiState>,
    ctx: Ctx,
    caller: Caller,
    At(path): At<DestinationPath>,
    page: Params<PageQuery>,
    filter: Params<FilterQuery>,
    Params(ContentQuery { with_content }): Params<ContentQuery>,
) -> Result<Json<Page<MessageAttemptOut>>, ApiError> {
    let of = OfMessageQuery { endpoint_id: Some(path.endpoint_id), with_content };
    let path = MessagePath { app_id: path.app_id, msg_id: path.msg_id };
    list_by_message(state, ctx, caller, At(path), page, filter, Params(of)).await
}

fn shown(page: Page<WithMessage>, with_content: bool) -> Json<Page<MessageAttemptOut>> {
    Json(page.map(|(attempt, message)| MessageAttemptOut::new(attempt, message, with_content)))
}

impl TryFrom<FilterQuery> for AttemptFilter {
    type Error = ApiError;

    fn try_from(query: FilterQuery) -> Result<Self, ApiError> {
        Ok(Self {
            status: query.status.map(|status| status.number()).transpose()?,
            class: query.status_code_class,
            channel: query.channel,
            tag: query.tag,
            event_types: query.event_types.map(|names| names.0),
            before: query.before.map(|time| time.0),
            after: query.after.map(|time| time.0),
            with_msg: query.with_msg,
        })
    }
}
