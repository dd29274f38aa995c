//! `/health`: for load balancers and people; no token.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use linchpin_http::middleware::Ctx;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;

const TAG: &str = "Health";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(get, head)).routes(routes!(ping, head_ping))
}

/// What works.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
struct Health {
    #[schema(value_type = String)]
    status: &'static str,
}

type Parts = BTreeMap<&'static str, Health>;

/// Whether the service works.
#[utoipa::path(get, path = "/health", tag = TAG, operation_id = "health.get", security(()),
    responses((status = 200, body = BTreeMap<String, Health>), (status = 500, body = BTreeMap<String, Health>)))]
async fn get(State(state): State<ApiState>, Ctx(ctx): Ctx) -> (StatusCode, Json<Parts>) {
    let answers = state.store.probe(&ctx).await;
    let all = answers.iter().all(|(_, answer)| answer.is_ok());
    let status = if all { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    let health = |answer: linchpin::Result<()>| Health {
        status: if answer.is_ok() { "ok" } else { "error" },
    };
    let parts = answers.into_iter().map(|(part, answer)| (part, health(answer)));
    (status, Json(parts.collect()))
}

/// Whether the service works, as a status only.
#[utoipa::path(head, path = "/health", tag = TAG, operation_id = "health.head", security(()),
    responses((status = 200), (status = 500)))]
async fn head(state: State<ApiState>, ctx: Ctx) -> StatusCode {
    get(state, ctx).await.0
}

/// Whether the process answers.
#[utoipa::path(get, path = "/health/ping", tag = TAG, operation_id = "health.ping", security(()),
    responses((status = 204)))]
async fn ping() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Whether the process answers.
#[utoipa::path(head, path = "/health/ping", tag = TAG, operation_id = "health.head_ping", security(()),
    responses((status = 204)))]
async fn head_ping() -> StatusCode {
    StatusCode::NO_CONTENT
}
