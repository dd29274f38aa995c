//! `/app/{app_id}/endpoint/{endpoint_id}/stats` and `/attempt-stats`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use linchpin::time::Timestamp;
use linchpin_http::middleware::Ctx;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::auth::Caller;
use super::error::{ApiError, ErrorBody};
use super::params::{At, EndpointPath, Params};
use crate::model::stats::{self, Ended, EndpointStats};
use crate::model::task::Stretch;
use crate::model::time::Time;

const TAG: &str = "Endpoint";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(all)).routes(routes!(attempts))
}

/// A stretch of time, both ends included.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct StretchQuery {
    /// From this moment on, 28 days before `until` at most, and by default.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Time>,
    /// Up to this moment, which is not in the future; now by default.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
}

/// How an endpoint's attempts of a stretch of time have ended, and what it is still to get now.
#[utoipa::path(get, path = "/app/{app_id}/endpoint/{endpoint_id}/stats", tag = TAG,
    operation_id = "endpoint.get_stats", params(EndpointPath, StretchQuery),
    responses((status = 200, body = EndpointStats),
              (status = 400, body = ErrorBody<'static>, description = "`invalid_range`: such a stretch cannot be told of")))]
async fn all(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
    Params(query): Params<StretchQuery>,
) -> Result<Json<EndpointStats>, ApiError> {
    let (scope, endpoint) = (caller.scope(&path.app_id), path.endpoint_id.as_str().into());
    let stats = state.store.endpoint_stats(&ctx, scope, endpoint, query.stretch()?).await?;
    Ok(Json(stats.into()))
}

/// How an endpoint's attempts of a stretch of time have ended.
#[utoipa::path(get, path = "/app/{app_id}/endpoint/{endpoint_id}/attempt-stats", tag = TAG,
    operation_id = "endpoint.get_attempt_stats", params(EndpointPath, StretchQuery),
    responses((status = 200, body = Ended),
              (status = 400, body = ErrorBody<'static>, description = "`invalid_range`: such a stretch cannot be told of")))]
async fn attempts(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<EndpointPath>,
    Params(query): Params<StretchQuery>,
) -> Result<Json<Ended>, ApiError> {
    let (scope, endpoint) = (caller.scope(&path.app_id), path.endpoint_id.as_str().into());
    Ok(Json(state.store.attempt_stats(&ctx, scope, endpoint, query.stretch()?).await?))
}

impl StretchQuery {
    fn stretch(self) -> Result<Stretch, ApiError> {
        stats::stretch(self.since, self.until, Timestamp::now())
            .map_err(|why| ApiError::new(StatusCode::BAD_REQUEST, "invalid_range", why))
    }
}
