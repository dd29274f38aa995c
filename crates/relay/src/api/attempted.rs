//! `/app/{app_id}/endpoint/{endpoint_id}/msg` and `/app/{app_id}/msg/{msg_id}/endpoint`

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
use super::message::FilterQuery;
use super::params::{self, At, EndpointPath, MessagePath, PageQuery, Params, Status};
use crate::model::attempted::{EndpointMessageOut, MessageEndpointOut};
use crate::model::page::Page;
use crate::store::page::Order;

const TAG: &str = "Attempt";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(messages)).routes(routes!(destinations))
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfEndpointQuery {
    /// Only those that stand so: 0 delivered, 2 failed for good, 3 still to be delivered.
    #[param(value_type = Option<u8>, minimum = 0, maximum = 4)]
    status: Option<Status>,
    /// False leaves payloads out.
    #[serde(default = "params::yes")]
    with_content: bool,
}

/// List the messages that were sent to an endpoint or are to be, newest first.
#[utoipa::path(get, path = "/app/{app_id}/endpoint/{endpoint_id}/msg", tag = TAG,
    operation_id = "message_attempt.list_attempted_messages",
    params(EndpointPath, PageQuery, OfEndpointQuery, FilterQuery),
    responses((status = 200, body = Page<EndpointMessageOut>)))]
async fn messages(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
    Params(page): Params<PageQuery>,
    Params(of): Params<OfEndpointQuery>,
    Params(filter): Params<FilterQuery>,
) -> Result<Json<Page<EndpointMessageOut>>, ApiError> {
    let walk = page.walk(Order::Descending)?;
    let (scope, endpoint) = (caller.scope(&path.app_id), path.endpoint_id.as_str().into());
    let status = of.status.map(|status| status.number()).transpose()?;
    let page = state
        .store
        .list_attempted_messages(&ctx, scope, endpoint, walk, status, filter.into())
        .await?;
    Ok(Json(page.map(|message| EndpointMessageOut::new(message, of.with_content))))
}

/// List the endpoints that a message was sent to or is to be, oldest first, deleted ones too.
#[utoipa::path(get, path = "/app/{app_id}/msg/{msg_id}/endpoint", tag = TAG,
    operation_id = "message_attempt.list_attempted_destinations", params(MessagePath, PageQuery),
    responses((status = 200, body = Page<MessageEndpointOut>)))]
async fn destinations(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<MessagePath>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<MessageEndpointOut>>, ApiError> {
    let walk = page.walk(Order::Ascending)?;
    let (scope, message) = (caller.scope(&path.app_id), path.msg_id.as_str().into());
    let page = state.store.list_attempted_destinations(&ctx, scope, message, walk).await?;
    Ok(Json(page.map(Into::into)))
}
