//! What is sent to an endpoint once more, or at last: `/app/{app_id}/endpoint/{endpoint_id}/recover` and its neighbours.

use axum::extract::State;
use linchpin_http::middleware::Ctx;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::auth::Caller;
use super::body::Creation;
use super::error::ApiError;
use super::params::{At, EndpointPath};
use crate::model::replay::BulkReplayIn;
use crate::model::task::{BackgroundTaskOut, RecoverIn, ReplayIn};
use crate::store::{Answer, Asked};

const TAG: &str = "Endpoint";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(recover))
        .routes(routes!(replay_missing))
        .routes(routes!(bulk_replay))
}

/// Send again what failed in a stretch of time and was not delivered since.
///
/// What waits for its next attempt is tried at once. The answer is a background task, which goes on after a restart.
#[utoipa::path(post, path = "/app/{app_id}/endpoint/{endpoint_id}/recover", tag = TAG,
    operation_id = "endpoint.recover", params(EndpointPath), request_body = RecoverIn,
    responses((status = 202, body = BackgroundTaskOut)))]
async fn recover(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
    Creation { input, once, .. }: Creation<RecoverIn>,
) -> Result<Answer, ApiError> {
    let (scope, endpoint) = (caller.scope(&path.app_id), path.endpoint_id.as_str().into());
    Ok(state.store.begin_resend(&ctx, scope, endpoint, Asked::Recover(input), once).await?)
}

/// Send what the endpoint wants of a stretch of time and was never sent.
///
/// The answer is a background task, which goes on after a restart.
#[utoipa::path(post, path = "/app/{app_id}/endpoint/{endpoint_id}/replay-missing", tag = TAG,
    operation_id = "endpoint.replay_missing", params(EndpointPath), request_body = ReplayIn,
    responses((status = 202, body = BackgroundTaskOut)))]
async fn replay_missing(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
    Creation { input, once, .. }: Creation<ReplayIn>,
) -> Result<Answer, ApiError> {
    let (scope, endpoint) = (caller.scope(&path.app_id), path.endpoint_id.as_str().into());
    Ok(state.store.begin_resend(&ctx, scope, endpoint, Asked::Replay(input), once).await?)
}

/// Send again what was sent of a stretch of time, delivered or not, chosen by what it was and what became of it.
///
/// What waits for its next attempt is tried at once. The answer is a background task, which goes on after a restart.
#[utoipa::path(post, path = "/app/{app_id}/endpoint/{endpoint_id}/bulk-replay", tag = TAG,
    operation_id = "endpoint.bulk_replay", params(EndpointPath), request_body = BulkReplayIn,
    responses((status = 202, body = BackgroundTaskOut)))]
async fn bulk_replay(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
    Creation { input, once, .. }: Creation<BulkReplayIn>,
) -> Result<Answer, ApiError> {
    let (scope, endpoint) = (caller.scope(&path.app_id), path.endpoint_id.as_str().into());
    Ok(state.store.begin_resend(&ctx, scope, endpoint, Asked::BulkReplay(input), once).await?)
}
