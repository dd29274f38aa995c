//! `/auth` and `/admin`: tokens of applications, made and ended.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use linchpin::time::Timestamp;
use linchpin_http::middleware::Ctx;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::auth::{Caller, Claims, Grant, OrgToken};
use super::body::{Checked, Creation};
use super::error::ApiError;
use super::params::{AppPath, At};
use crate::model::access::{
    AppPortalAccessIn, AppPortalAccessOut, ApplicationTokenExpireIn, LONGEST,
};
use crate::store::Answer;

const TAG: &str = "Authentication";

#[expect(deprecated, reason = "clients of the first major version have the older call")]
pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(app_portal_access))
        .routes(routes!(dashboard_access))
        .routes(routes!(expire_all))
        .routes(routes!(logout))
        .routes(routes!(redrive))
}

/// Get a link into the portal of an application, and the token that is in it.
///
/// Nothing of it is kept, so a repeat under an idempotency key gives another token.
#[utoipa::path(post, path = "/auth/app-portal-access/{app_id}", tag = TAG,
    operation_id = "authentication.app_portal_access", params(AppPath), request_body = AppPortalAccessIn,
    responses((status = 200, body = AppPortalAccessOut)))]
async fn app_portal_access(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<AppPath>,
    Checked { mut input, .. }: Checked<AppPortalAccessIn>,
) -> Result<Json<AppPortalAccessOut>, ApiError> {
    let scope = org.scope(&path.app_id);
    let brought = input.application.take();
    let app = state.store.application_or_new(&ctx, scope, path.app_id, brought).await?;
    let now = Timestamp::now();
    let claims = Claims::new(org.0, Some(app), now, now + input.life()).with(Grant {
        capabilities: input.limits(),
        flags: input.feature_flags.unwrap_or_default(),
        session: input.session_id,
    });
    access(&state, &claims)
}

/// Get a link into the portal of an application. The older call.
#[utoipa::path(post, path = "/auth/dashboard-access/{app_id}", tag = TAG,
    operation_id = "authentication.dashboard_access", params(AppPath),
    responses((status = 200, body = AppPortalAccessOut)))]
#[deprecated = "app-portal-access says more"]
async fn dashboard_access(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<AppPath>,
) -> Result<Json<AppPortalAccessOut>, ApiError> {
    let scope = org.scope(&path.app_id);
    let app = state.store.application_or_new(&ctx, scope, path.app_id, None).await?;
    let now = Timestamp::now();
    access(&state, &Claims::new(org.0, Some(app), now, now + LONGEST))
}

/// End all tokens of an application that were made until now, or those of some sessions.
#[utoipa::path(post, path = "/auth/app/{app_id}/expire-all", tag = TAG,
    operation_id = "authentication.expire_all", params(AppPath), request_body = ApplicationTokenExpireIn,
    responses((status = 204)))]
async fn expire_all(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<AppPath>,
    Creation { input, once, .. }: Creation<ApplicationTokenExpireIn>,
) -> Result<Answer, ApiError> {
    let after = input.after();
    let which = (input.session_ids.unwrap_or_default(), after);
    Ok(state.tokens.revocations.expire(&ctx, org.scope(&path.app_id), which, once).await?)
}

/// End the token of an application that this is asked with. That of an organisation ends with its secret.
#[utoipa::path(post, path = "/auth/logout", tag = TAG, operation_id = "authentication.logout",
    responses((status = 204)))]
async fn logout(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let Caller::App { token, .. } = caller else {
        return Err(ApiError::forbidden("Only the token of an application can be logged out"));
    };
    state.tokens.revocations.revoke(&ctx, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Does nothing: there is no queue of dead letters. What could not be delivered is in the lists of attempts, and
/// `recover` sends it again.
#[utoipa::path(post, path = "/admin/redrive-dlq", tag = "Admin", operation_id = "admin.redrive_dlq",
    responses((status = 204)))]
async fn redrive(_: OrgToken) -> StatusCode {
    StatusCode::NO_CONTENT
}

fn access(state: &ApiState, claims: &Claims) -> Result<Json<AppPortalAccessOut>, ApiError> {
    let token = state.tokens.issuer.issue(claims)?;
    // In the fragment, which browsers send to nobody.
    let url = format!("{}#key={token}", state.portal_url);
    Ok(Json(AppPortalAccessOut { url, token }))
}
