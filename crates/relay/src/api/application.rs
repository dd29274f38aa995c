//! `/app`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use linchpin_http::middleware::Ctx;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Caller, OrgToken};
use super::body::{Checked, Creation};
use super::error::ApiError;
use super::params::{AppPath, At, OrderQuery, PageQuery, Params};
use super::{ApiState, status_of};
use crate::model::application::{ApplicationIn, ApplicationOut, ApplicationPatch};
use crate::model::page::Page;
use crate::store::Answer;
use crate::store::page::Order;

const TAG: &str = "Application";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, put, patch, delete))
}

#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CreateQuery {
    /// Answer with the application that has the `uid`, if there is one, and not with a conflict.
    #[serde(default)]
    get_if_exists: bool,
}

/// List applications, oldest first.
#[utoipa::path(get, path = "/app", tag = TAG, operation_id = "application.list", params(PageQuery, OrderQuery),
    responses((status = 200, body = Page<ApplicationOut>)))]
async fn list(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    OrgToken(org): OrgToken,
    Params(page): Params<PageQuery>,
    Params(order): Params<OrderQuery>,
) -> Result<Json<Page<ApplicationOut>>, ApiError> {
    let walk = page.walk(order.or(Order::Ascending))?;
    Ok(Json(state.store.list_applications(&ctx, org, walk).await?.map(Into::into)))
}

/// Create an application.
#[utoipa::path(post, path = "/app", tag = TAG, operation_id = "application.create", params(CreateQuery),
    request_body = ApplicationIn, responses((status = 201, body = ApplicationOut),
        (status = 200, body = ApplicationOut, description = "It exists already")))]
async fn create(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    OrgToken(org): OrgToken,
    Params(query): Params<CreateQuery>,
    Creation { input, once, .. }: Creation<ApplicationIn>,
) -> Result<Answer, ApiError> {
    Ok(state.store.create_application(&ctx, org, input, query.get_if_exists, once).await?)
}

/// Get an application.
#[utoipa::path(get, path = "/app/{app_id}", tag = TAG, operation_id = "application.get", params(AppPath),
    responses((status = 200, body = ApplicationOut)))]
async fn get(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<AppPath>,
) -> Result<Json<ApplicationOut>, ApiError> {
    let app = state.store.application(&ctx, caller.scope(&path.app_id)).await?;
    Ok(Json(app.into()))
}

/// Replace an application, or create it.
#[utoipa::path(put, path = "/app/{app_id}", tag = TAG, operation_id = "application.update", params(AppPath),
    request_body = ApplicationIn, responses((status = 200, body = ApplicationOut), (status = 201, body = ApplicationOut)))]
async fn put(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<AppPath>,
    Checked { input, .. }: Checked<ApplicationIn>,
) -> Result<(StatusCode, Json<ApplicationOut>), ApiError> {
    let (put, app) = state.store.put_application(&ctx, org.scope(&path.app_id), input).await?;
    Ok((status_of(put), Json(app.into())))
}

/// Change parts of an application.
#[utoipa::path(patch, path = "/app/{app_id}", tag = TAG, operation_id = "application.patch", params(AppPath),
    request_body = ApplicationPatch, responses((status = 200, body = ApplicationOut)))]
async fn patch(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<AppPath>,
    Checked { input: patch, .. }: Checked<ApplicationPatch>,
) -> Result<Json<ApplicationOut>, ApiError> {
    let app = state.store.patch_application(&ctx, org.scope(&path.app_id), patch).await?;
    Ok(Json(app.into()))
}

/// Delete an application.
#[utoipa::path(delete, path = "/app/{app_id}", tag = TAG, operation_id = "application.delete", params(AppPath),
    responses((status = 204)))]
async fn delete(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<AppPath>,
) -> Result<StatusCode, ApiError> {
    state.store.delete_application(&ctx, org.scope(&path.app_id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
