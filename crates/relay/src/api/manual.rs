//! `/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend`, and examples.

use axum::extract::State;
use linchpin_http::middleware::Ctx;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::auth::{Caller, OrgToken};
use super::body::Creation;
use super::error::ApiError;
use super::params::{At, DestinationPath, EndpointPath};
use crate::model::Empty;
use crate::model::example::ExampleIn;
use crate::model::message::MessageOut;
use crate::store::Answer;

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(resend)).routes(routes!(send_example))
}

/// Send a message to an endpoint once more.
///
/// What waits for its next attempt is tried at once, and what was delivered is delivered again. What fails is tried again
/// by the schedule.
#[utoipa::path(post, path = "/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend", tag = "Attempt",
    operation_id = "message_attempt.resend", params(DestinationPath),
    request_body(content = Option<Empty>, description = "May be missing."), responses((status = 202, body = Empty)))]
async fn resend(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<DestinationPath>,
    Creation { once, .. }: Creation<Empty>,
) -> Result<Answer, ApiError> {
    let scope = caller.scope(&path.app_id);
    let (message, endpoint) = (path.msg_id.as_str().into(), path.endpoint_id.as_str().into());
    Ok(state.store.resend_message(&ctx, scope, message, endpoint, once).await?)
}

/// Send an example of an event type to an endpoint.
#[utoipa::path(post, path = "/app/{app_id}/endpoint/{endpoint_id}/send-example", tag = "Endpoint",
    operation_id = "endpoint.send_example", params(EndpointPath), request_body = ExampleIn,
    responses((status = 200, body = MessageOut)))]
async fn send_example(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<EndpointPath>,
    Creation { input, once, .. }: Creation<ExampleIn>,
) -> Result<Answer, ApiError> {
    let (scope, endpoint) = (org.scope(&path.app_id), path.endpoint_id.as_str().into());
    Ok(state.store.send_example(&ctx, scope, endpoint, input, once).await?)
}
