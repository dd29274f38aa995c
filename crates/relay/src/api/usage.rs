//! `/stats/usage`: how much is sent for applications, and what they listen to.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use linchpin_http::middleware::Ctx;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::auth::OrgToken;
use super::body::Creation;
use super::error::ApiError;
use crate::model::task::BackgroundTaskOut;
use crate::model::usage::{AppUsageStatsIn, AppUsageStatsOut};
use crate::store::Answer;

const TAG: &str = "Statistics";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(app)).routes(routes!(event_types))
}

/// Count the attempts that were made for each application in a stretch of time.
///
/// The answer is a background task, whose `data` has the counts. What is named and is no application is told, and not counted.
#[utoipa::path(post, path = "/stats/usage/app", tag = TAG, operation_id = "statistics.aggregate_app_stats",
    request_body = AppUsageStatsIn, responses((status = 202, body = AppUsageStatsOut)))]
async fn app(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    OrgToken(org): OrgToken,
    Creation { input, once, .. }: Creation<AppUsageStatsIn>,
) -> Result<Answer, ApiError> {
    Ok(state.store.begin_app_stats(&ctx, org, input, once).await?)
}

/// List which event types each application listens to.
///
/// The answer is a background task, whose `data` has the list; the same one while it is under way.
#[utoipa::path(put, path = "/stats/usage/event-types", tag = TAG,
    operation_id = "statistics.aggregate_event_types", responses((status = 202, body = BackgroundTaskOut)))]
async fn event_types(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    OrgToken(org): OrgToken,
) -> Result<(StatusCode, Json<BackgroundTaskOut>), ApiError> {
    Ok((StatusCode::ACCEPTED, Json(state.store.begin_event_types(&ctx, org).await?)))
}
