//! `/app/{app_id}/endpoint/{endpoint_id}/secret`

use axum::Json;
use axum::extract::State;
use linchpin_http::middleware::Ctx;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::auth::Caller;
use super::body::Creation;
use super::error::ApiError;
use super::params::{At, EndpointPath};
use crate::model::secret::{EndpointSecretOut, EndpointSecretRotateIn};
use crate::store::Answer;

const TAG: &str = "Endpoint";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(get)).routes(routes!(rotate))
}

/// Get the secret that deliveries are signed with; of a key pair, the half that verifies.
#[utoipa::path(get, path = "/app/{app_id}/endpoint/{endpoint_id}/secret", tag = TAG,
    operation_id = "endpoint.get_secret", params(EndpointPath), responses((status = 200, body = EndpointSecretOut)))]
async fn get(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
) -> Result<Json<EndpointSecretOut>, ApiError> {
    let (scope, endpoint) = (caller.scope(&path.app_id), path.endpoint_id.as_str().into());
    let secret = state.store.endpoint_secret(&ctx, scope, endpoint).await?;
    Ok(Json(EndpointSecretOut::of(&secret)))
}

/// Replace the secret that deliveries are signed with.
///
/// The old one signs beside it until the grace period is over. Ten old ones at a time are the most.
#[utoipa::path(post, path = "/app/{app_id}/endpoint/{endpoint_id}/secret/rotate", tag = TAG,
    operation_id = "endpoint.rotate_secret", params(EndpointPath), request_body = EndpointSecretRotateIn,
    responses((status = 200, body = EndpointSecretOut)))]
async fn rotate(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
    Creation { input, once, .. }: Creation<EndpointSecretRotateIn>,
) -> Result<Answer, ApiError> {
    let (scope, endpoint) = (caller.scope(&path.app_id), path.endpoint_id.as_str().into());
    Ok(state.store.rotate_secret(&ctx, scope, endpoint, (input, once)).await?)
}
