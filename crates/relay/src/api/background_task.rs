//! `/background-task`

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
use super::params::{At, OrderQuery, PageQuery, Params, TaskPath};
use crate::model::page::Page;
use crate::model::task::{BackgroundTaskOut, TaskStatus};
use crate::store::TaskFilter;
use crate::store::page::Order;

const TAG: &str = "Background task";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FilterQuery {
    /// Only those that stand so.
    #[param(inline)]
    status: Option<TaskStatus>,
    /// Only those of this name, such as `endpoint.recover`.
    task: Option<String>,
}

/// List background tasks, newest first. They are kept for 90 days after their end.
#[utoipa::path(get, path = "/background-task", tag = TAG, operation_id = "background_task.list",
    params(PageQuery, OrderQuery, FilterQuery), responses((status = 200, body = Page<BackgroundTaskOut>)))]
async fn list(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    Params(page): Params<PageQuery>,
    Params(order): Params<OrderQuery>,
    Params(filter): Params<FilterQuery>,
) -> Result<Json<Page<BackgroundTaskOut>>, ApiError> {
    let walk = page.walk(order.or(Order::Descending))?;
    let filter = TaskFilter { app: caller.app(), status: filter.status, task: filter.task };
    let page = state.store.list_tasks(&ctx, caller.org(), walk, filter).await?;
    Ok(Json(page.map(Into::into)))
}

/// Get a background task.
#[utoipa::path(get, path = "/background-task/{task_id}", tag = TAG, operation_id = "background_task.get",
    params(TaskPath), responses((status = 200, body = BackgroundTaskOut)))]
async fn get(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<TaskPath>,
) -> Result<Json<BackgroundTaskOut>, ApiError> {
    let id = path.task_id.parse().map_err(|_| ApiError::not_found())?;
    let task = state.store.task(&ctx, caller.org(), caller.app(), id).await?;
    Ok(Json(task.into()))
}
