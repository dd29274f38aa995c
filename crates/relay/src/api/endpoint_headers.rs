//! `/app/{app_id}/endpoint/{endpoint_id}/headers`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use linchpin_http::middleware::Ctx;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::auth::Caller;
use super::body::Checked;
use super::error::ApiError;
use super::params::{At, EndpointPath};
use crate::model::headers::{EndpointHeadersIn, EndpointHeadersOut, EndpointHeadersPatchIn};

const TAG: &str = "Endpoint";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(get, put, patch))
}

/// Get the headers that deliveries have besides our own. Of sensitive ones only the names are shown.
#[utoipa::path(get, path = "/app/{app_id}/endpoint/{endpoint_id}/headers", tag = TAG,
    operation_id = "endpoint.get_headers", params(EndpointPath), responses((status = 200, body = EndpointHeadersOut)))]
async fn get(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
) -> Result<Json<EndpointHeadersOut>, ApiError> {
    let (scope, endpoint) = (caller.scope(&path.app_id), path.endpoint_id.as_str().into());
    Ok(Json(state.store.endpoint_headers(&ctx, scope, endpoint).await?.into()))
}

/// Replace the headers that deliveries have besides our own.
#[utoipa::path(put, path = "/app/{app_id}/endpoint/{endpoint_id}/headers", tag = TAG,
    operation_id = "endpoint.update_headers", params(EndpointPath), request_body = EndpointHeadersIn,
    responses((status = 204)))]
async fn put(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
    Checked { input, .. }: Checked<EndpointHeadersIn>,
) -> Result<StatusCode, ApiError> {
    let (scope, endpoint) = (caller.scope(&path.app_id), path.endpoint_id.as_str().into());
    state.store.put_headers(&ctx, scope, endpoint, input.headers).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Set and remove headers that deliveries have besides our own.
#[utoipa::path(patch, path = "/app/{app_id}/endpoint/{endpoint_id}/headers", tag = TAG,
    operation_id = "endpoint.patch_headers", params(EndpointPath), request_body = EndpointHeadersPatchIn,
    responses((status = 204)))]
async fn patch(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
    Checked { input, .. }: Checked<EndpointHeadersPatchIn>,
) -> Result<StatusCode, ApiError> {
    let (scope, endpoint) = (caller.scope(&path.app_id), path.endpoint_id.as_str().into());
    state.store.patch_headers(&ctx, scope, endpoint, input).await?;
    Ok(StatusCode::NO_CONTENT)
}
