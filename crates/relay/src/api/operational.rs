//! `/operational-webhook/endpoint`: where an organisation is told of its own endpoints and deliveries.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use linchpin_http::middleware::Ctx;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::OrgToken;
use super::body::{Checked, Creation};
use super::error::ApiError;
use super::params::{At, OperationalPath, OrderQuery, PageQuery, Params};
use super::{ApiState, status_of};
use crate::ids::EndpointTag;
use crate::model::endpoint::EndpointOut;
use crate::model::headers::{EndpointHeadersIn, EndpointHeadersOut};
use crate::model::operational::OperationalEndpointIn;
use crate::model::page::Page;
use crate::model::secret::{EndpointSecretOut, EndpointSecretRotateIn};
use crate::store::page::Order;
use crate::store::{Answer, Reference, Scope};

const TAG: &str = "Operational webhook";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, put, delete))
        .routes(routes!(get_secret))
        .routes(routes!(rotate_secret))
        .routes(routes!(get_headers, put_headers))
}

/// List endpoints for operational webhooks, newest first.
#[utoipa::path(get, path = "/operational-webhook/endpoint", tag = TAG,
    operation_id = "operational_webhook.endpoint.list", params(PageQuery, OrderQuery),
    responses((status = 200, body = Page<EndpointOut>)))]
async fn list(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    OrgToken(org): OrgToken,
    Params(page): Params<PageQuery>,
    Params(order): Params<OrderQuery>,
) -> Result<Json<Page<EndpointOut>>, ApiError> {
    let walk = page.walk(order.or(Order::Descending))?;
    let page = state.store.list_operational(&ctx, org, walk).await?;
    Ok(Json(page.map(Into::into)))
}

/// Create an endpoint for operational webhooks.
///
/// It is told of the organisation's endpoints that are created, updated, deleted, and disabled by the service; of deliveries that
/// fail for the fourth time, recover after that, or fail for the last time. Nothing is told of endpoints for operational webhooks.
#[utoipa::path(post, path = "/operational-webhook/endpoint", tag = TAG,
    operation_id = "operational_webhook.endpoint.create", request_body = OperationalEndpointIn,
    responses((status = 201, body = EndpointOut)))]
async fn create(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    OrgToken(org): OrgToken,
    Creation { input, once, .. }: Creation<OperationalEndpointIn>,
) -> Result<Answer, ApiError> {
    Ok(state.store.create_endpoint(&ctx, Scope::operational(org), input.0, once).await?)
}

/// Get an endpoint for operational webhooks.
#[utoipa::path(get, path = "/operational-webhook/endpoint/{endpoint_id}", tag = TAG,
    operation_id = "operational_webhook.endpoint.get", params(OperationalPath),
    responses((status = 200, body = EndpointOut)))]
async fn get(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<OperationalPath>,
) -> Result<Json<EndpointOut>, ApiError> {
    let (scope, endpoint) = split(org, &path);
    Ok(Json(state.store.endpoint(&ctx, scope, endpoint).await?.into()))
}

/// Replace an endpoint for operational webhooks, whose secret stays, or create it.
#[utoipa::path(put, path = "/operational-webhook/endpoint/{endpoint_id}", tag = TAG,
    operation_id = "operational_webhook.endpoint.update", params(OperationalPath),
    request_body = OperationalEndpointIn,
    responses((status = 200, body = EndpointOut), (status = 201, body = EndpointOut)))]
async fn put(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<OperationalPath>,
    Checked { input, .. }: Checked<OperationalEndpointIn>,
) -> Result<(StatusCode, Json<EndpointOut>), ApiError> {
    let (scope, endpoint) = split(org, &path);
    let (put, endpoint) = state.store.put_endpoint(&ctx, scope, endpoint, input.0).await?;
    Ok((status_of(put), Json(endpoint.into())))
}

/// Delete an endpoint for operational webhooks. Without any, nothing is told.
#[utoipa::path(delete, path = "/operational-webhook/endpoint/{endpoint_id}", tag = TAG,
    operation_id = "operational_webhook.endpoint.delete", params(OperationalPath), responses((status = 204)))]
async fn delete(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<OperationalPath>,
) -> Result<StatusCode, ApiError> {
    let (scope, endpoint) = split(org, &path);
    state.store.delete_endpoint(&ctx, scope, endpoint).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Get the secret that operational webhooks are signed with; of a key pair, the half that verifies.
#[utoipa::path(get, path = "/operational-webhook/endpoint/{endpoint_id}/secret", tag = TAG,
    operation_id = "operational_webhook.endpoint.get_secret", params(OperationalPath),
    responses((status = 200, body = EndpointSecretOut)))]
async fn get_secret(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<OperationalPath>,
) -> Result<Json<EndpointSecretOut>, ApiError> {
    let (scope, endpoint) = split(org, &path);
    let secret = state.store.endpoint_secret(&ctx, scope, endpoint).await?;
    Ok(Json(EndpointSecretOut::of(&secret)))
}

/// Replace the secret that operational webhooks are signed with.
///
/// The old one signs beside it until the grace period is over. No client reads an answer here, so there is none.
#[utoipa::path(post, path = "/operational-webhook/endpoint/{endpoint_id}/secret/rotate", tag = TAG,
    operation_id = "operational_webhook.endpoint.rotate_secret", params(OperationalPath),
    request_body = EndpointSecretRotateIn, responses((status = 204)))]
async fn rotate_secret(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<OperationalPath>,
    Creation { input, once, .. }: Creation<EndpointSecretRotateIn>,
) -> Result<StatusCode, ApiError> {
    let (scope, endpoint) = split(org, &path);
    state.store.rotate_secret(&ctx, scope, endpoint, (input, once)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Get the headers that operational webhooks have besides our own. Of sensitive ones only the names are shown.
#[utoipa::path(get, path = "/operational-webhook/endpoint/{endpoint_id}/headers", tag = TAG,
    operation_id = "operational_webhook.endpoint.get_headers", params(OperationalPath),
    responses((status = 200, body = EndpointHeadersOut)))]
async fn get_headers(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<OperationalPath>,
) -> Result<Json<EndpointHeadersOut>, ApiError> {
    let (scope, endpoint) = split(org, &path);
    Ok(Json(state.store.endpoint_headers(&ctx, scope, endpoint).await?.into()))
}

/// Replace the headers that operational webhooks have besides our own.
#[utoipa::path(put, path = "/operational-webhook/endpoint/{endpoint_id}/headers", tag = TAG,
    operation_id = "operational_webhook.endpoint.update_headers", params(OperationalPath),
    request_body = EndpointHeadersIn, responses((status = 204)))]
async fn put_headers(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<OperationalPath>,
    Checked { input, .. }: Checked<EndpointHeadersIn>,
) -> Result<StatusCode, ApiError> {
    let (scope, endpoint) = split(org, &path);
    state.store.put_headers(&ctx, scope, endpoint, input.headers).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn split(OrgToken(org): OrgToken, path: &OperationalPath) -> (Scope, Reference<EndpointTag>) {
    (Scope::operational(org), path.endpoint_id.as_str().into())
}
