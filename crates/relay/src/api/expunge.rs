//! `.../content`: what somebody wants gone.

use axum::extract::State;
use axum::http::StatusCode;
use linchpin_http::middleware::Ctx;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::auth::OrgToken;
use super::body::Creation;
use super::error::ApiError;
use super::params::{AppPath, At, AttemptPath, MessagePath};
use crate::model::Empty;
use crate::model::expunge::{BulkExpungeIn, BulkExpungeOut};
use crate::model::task::BackgroundTaskOut;
use crate::store::Answer;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(message))
        .routes(routes!(messages))
        .routes(routes!(all))
        .routes(routes!(attempt))
}

/// Remove the payload of a message. The message stays, and is not sent any more.
#[utoipa::path(delete, path = "/app/{app_id}/msg/{msg_id}/content", tag = "Message",
    operation_id = "message.expunge_content", params(MessagePath), responses((status = 204)))]
async fn message(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<MessagePath>,
) -> Result<StatusCode, ApiError> {
    let scope = org.scope(&path.app_id);
    state.store.expunge_message(&ctx, scope, path.msg_id.as_str().into()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove the payloads of up to 100 messages.
#[utoipa::path(post, path = "/app/{app_id}/msg/bulk-expunge", tag = "Message",
    operation_id = "message.bulk_expunge_content", params(AppPath), request_body = BulkExpungeIn,
    responses((status = 200, body = BulkExpungeOut)))]
async fn messages(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<AppPath>,
    Creation { input, once, .. }: Creation<BulkExpungeIn>,
) -> Result<Answer, ApiError> {
    let scope = org.scope(&path.app_id);
    Ok(state.store.expunge_messages(&ctx, scope, input.ids, once).await?)
}

/// Remove the payloads of all messages of an application that there are by now, and what receivers answered to them.
///
/// The messages and attempts stay. The answer is a background task, which goes on after a restart.
#[utoipa::path(post, path = "/app/{app_id}/msg/expunge-all-contents", tag = "Message",
    operation_id = "message.expunge_all_contents", params(AppPath),
    request_body(content = Option<Empty>, description = "May be missing."),
    responses((status = 202, body = BackgroundTaskOut)))]
async fn all(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<AppPath>,
    Creation { once, .. }: Creation<Empty>,
) -> Result<Answer, ApiError> {
    Ok(state.store.begin_purge(&ctx, org.scope(&path.app_id), once).await?)
}

/// Remove what a receiver answered. The attempt stays.
#[utoipa::path(delete, path = "/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/content", tag = "Attempt",
    operation_id = "message_attempt.expunge_content", params(AttemptPath), responses((status = 204)))]
async fn attempt(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<AttemptPath>,
) -> Result<StatusCode, ApiError> {
    let (scope, message) = (org.scope(&path.app_id), path.msg_id.as_str().into());
    let id = path.attempt_id.parse().map_err(|_| ApiError::not_found())?;
    state.store.expunge_attempt(&ctx, scope, message, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
