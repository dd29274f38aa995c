//! `/event-type`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use linchpin_http::middleware::Ctx;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, OrgToken};
use super::body::{Checked, Creation};
use super::error::ApiError;
use super::params::{self, At, EventTypePath, PageQuery, Params};
use super::{ApiState, status_of};
use crate::model::event_type::{EventType, EventTypeIn, EventTypePatch, EventTypeUpdate};
use crate::model::openapi::{EventTypeImportOpenApiIn, EventTypeImportOpenApiOut};
use crate::model::page::Page;
use crate::store::Answer;
use crate::store::page::Order;

const TAG: &str = "Event type";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(import))
        .routes(routes!(get, put, patch, delete))
}

#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// List archived ones, too.
    #[serde(default)]
    include_archived: bool,
    /// Show the schemas.
    #[serde(default)]
    with_content: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DeleteQuery {
    /// Remove it for good; otherwise it is archived.
    #[serde(default)]
    expunge: bool,
}

/// List event types by name.
#[utoipa::path(get, path = "/event-type", tag = TAG, operation_id = "event_type.list", params(PageQuery, ListQuery),
    responses((status = 200, body = Page<EventType>)))]
async fn list(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    Params(page): Params<PageQuery>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<EventType>>, ApiError> {
    let walk = page.walk(Order::Ascending)?;
    let ListQuery { include_archived, with_content } = query;
    let flags = caller.flags();
    let page =
        state.store.list_event_types(&ctx, caller.org(), walk, include_archived, flags).await?;
    Ok(Json(page.map(|kind| {
        let mut shown = kind;
        if !with_content {
            shown.definition.schemas = None;
        }
        shown
    })))
}

/// Create an event type, or revive an archived one.
#[utoipa::path(post, path = "/event-type", tag = TAG, operation_id = "event_type.create",
    request_body = EventTypeIn, responses((status = 201, body = EventType)))]
async fn create(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    OrgToken(org): OrgToken,
    Creation { input, once, .. }: Creation<EventTypeIn>,
) -> Result<Answer, ApiError> {
    let (name, input) = input.split();
    Ok(state.store.create_event_type(&ctx, org, name, input, once).await?)
}

/// Make or change the event types that an OpenAPI document has as webhooks.
///
/// Those of them that are archived are revived, and those that are as the document says already are left alone.
#[utoipa::path(post, path = "/event-type/import/openapi", tag = TAG,
    operation_id = "event_type.import_openapi", request_body = EventTypeImportOpenApiIn,
    responses((status = 200, body = EventTypeImportOpenApiOut)))]
async fn import(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    OrgToken(org): OrgToken,
    Creation { input, once, .. }: Creation<EventTypeImportOpenApiIn>,
) -> Result<Response, ApiError> {
    let dry_run = input.dry_run;
    let Some(import) = input.into_import() else {
        let text = "The body must have one of `spec` and `specRaw`, and not both";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "generic_error", text));
    };
    if dry_run {
        return Ok(Json(state.store.plan_event_types(&ctx, org, import).await?).into_response());
    }
    Ok(state.store.import_event_types(&ctx, org, import, once).await?.into_response())
}

/// Get an event type, archived or not.
#[utoipa::path(get, path = "/event-type/{event_type_name}", tag = TAG, operation_id = "event_type.get",
    params(EventTypePath), responses((status = 200, body = EventType)))]
async fn get(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EventTypePath>,
) -> Result<Json<EventType>, ApiError> {
    let (org, flags) = (caller.org(), caller.flags());
    let kind = state.store.event_type(&ctx, org, path.event_type_name, flags).await?;
    Ok(Json(kind))
}

/// Replace an event type, or create it.
#[utoipa::path(put, path = "/event-type/{event_type_name}", tag = TAG, operation_id = "event_type.update",
    params(EventTypePath), request_body = EventTypeUpdate,
    responses((status = 200, body = EventType), (status = 201, body = EventType)))]
async fn put(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    OrgToken(org): OrgToken,
    At(path): At<EventTypePath>,
    Checked { input, .. }: Checked<EventTypeUpdate>,
) -> Result<(StatusCode, Json<EventType>), ApiError> {
    params::path_name(&path.event_type_name)?;
    let (put, kind) = state.store.put_event_type(&ctx, org, path.event_type_name, input).await?;
    Ok((status_of(put), Json(kind)))
}

/// Change parts of an event type.
#[utoipa::path(patch, path = "/event-type/{event_type_name}", tag = TAG, operation_id = "event_type.patch",
    params(EventTypePath), request_body = EventTypePatch, responses((status = 200, body = EventType)))]
async fn patch(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    OrgToken(org): OrgToken,
    At(path): At<EventTypePath>,
    Checked { input: patch, .. }: Checked<EventTypePatch>,
) -> Result<Json<EventType>, ApiError> {
    let kind = state.store.patch_event_type(&ctx, org, path.event_type_name, patch).await?;
    Ok(Json(kind))
}

/// Archive an event type, or remove it for good.
#[utoipa::path(delete, path = "/event-type/{event_type_name}", tag = TAG, operation_id = "event_type.delete",
    params(EventTypePath, DeleteQuery), responses((status = 204)))]
async fn delete(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    OrgToken(org): OrgToken,
    At(path): At<EventTypePath>,
    Params(query): Params<DeleteQuery>,
) -> Result<StatusCode, ApiError> {
    state.store.delete_event_type(&ctx, org, path.event_type_name, query.expunge).await?;
    Ok(StatusCode::NO_CONTENT)
}
