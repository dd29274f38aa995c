//! `/app/{app_id}/endpoint`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use linchpin_http::middleware::Ctx;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Caller;
use super::body::{Checked, Creation};
use super::error::ApiError;
use super::params::{AppPath, At, EndpointPath, OrderQuery, PageQuery, Params};
use super::{ApiState, status_of};
use crate::model::endpoint::{EndpointIn, EndpointOut, EndpointPatch};
use crate::model::page::Page;
use crate::store::page::Order;
use crate::store::{Answer, Reference};

const TAG: &str = "Endpoint";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, put, patch, delete))
}

/// List endpoints, newest first.
#[utoipa::path(get, path = "/app/{app_id}/endpoint", tag = TAG, operation_id = "endpoint.list",
    params(AppPath, PageQuery, OrderQuery), responses((status = 200, body = Page<EndpointOut>)))]
async fn list(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<AppPath>,
    Params(page): Params<PageQuery>,
    Params(order): Params<OrderQuery>,
) -> Result<Json<Page<EndpointOut>>, ApiError> {
    let walk = page.walk(order.or(Order::Descending))?;
    let page = state.store.list_endpoints(&ctx, caller.scope(&path.app_id), walk).await?;
    Ok(Json(page.map(Into::into)))
}

/// Create an endpoint.
///
/// An application has 500 at most, unless the service is set up otherwise: one more is a 400 with the code `limit_reached`.
#[utoipa::path(post, path = "/app/{app_id}/endpoint", tag = TAG, operation_id = "endpoint.create",
    params(AppPath), request_body = EndpointIn, responses((status = 201, body = EndpointOut)))]
async fn create(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<AppPath>,
    Creation { input, once, .. }: Creation<EndpointIn>,
) -> Result<Answer, ApiError> {
    Ok(state.store.create_endpoint(&ctx, caller.scope(&path.app_id), input, once).await?)
}

/// Get an endpoint.
#[utoipa::path(get, path = "/app/{app_id}/endpoint/{endpoint_id}", tag = TAG, operation_id = "endpoint.get",
    params(EndpointPath), responses((status = 200, body = EndpointOut)))]
async fn get(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
) -> Result<Json<EndpointOut>, ApiError> {
    let (scope, endpoint) = split(&caller, &path);
    Ok(Json(state.store.endpoint(&ctx, scope, endpoint).await?.into()))
}

/// Replace an endpoint, whose secret stays, or create it.
#[utoipa::path(put, path = "/app/{app_id}/endpoint/{endpoint_id}", tag = TAG, operation_id = "endpoint.update",
    params(EndpointPath), request_body = EndpointIn,
    responses((status = 200, body = EndpointOut), (status = 201, body = EndpointOut)))]
async fn put(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
    Checked { input, .. }: Checked<EndpointIn>,
) -> Result<(StatusCode, Json<EndpointOut>), ApiError> {
    let (scope, endpoint) = split(&caller, &path);
    let (put, endpoint) = state.store.put_endpoint(&ctx, scope, endpoint, input).await?;
    Ok((status_of(put), Json(endpoint.into())))
}

/// Change parts of an endpoint.
#[utoipa::path(patch, path = "/app/{app_id}/endpoint/{endpoint_id}", tag = TAG, operation_id = "endpoint.patch",
    params(EndpointPath), request_body = EndpointPatch, responses((status = 200, body = EndpointOut)))]
async fn patch(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
    Checked { input: patch, .. }: Checked<EndpointPatch>,
) -> Result<Json<EndpointOut>, ApiError> {
    let (scope, endpoint) = split(&caller, &path);
    Ok(Json(state.store.patch_endpoint(&ctx, scope, endpoint, patch).await?.into()))
}

/// Delete an endpoint.
#[utoipa::path(delete, path = "/app/{app_id}/endpoint/{endpoint_id}", tag = TAG, operation_id = "endpoint.delete",
    params(EndpointPath), responses((status = 204)))]
async fn delete(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
) -> Result<StatusCode, ApiError> {
    let (scope, endpoint) = split(&caller, &path);
    state.store.delete_endpoint(&ctx, scope, endpoint).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn split(
    caller: &Caller,
    path: &EndpointPath,
) -> (crate::store::Scope, Reference<crate::ids::EndpointTag>) {
    (caller.scope(&path.app_id), path.endpoint_id.as_str().into())
}
