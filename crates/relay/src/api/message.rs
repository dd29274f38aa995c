//! `/app/{app_id}/msg`

use axum::Json;
use axum::extract::State;
use linchpin_http::middleware::Ctx;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ApiState;
use super::auth::{Caller, OrgToken};
use super::body::{Checked, Creation};
use super::error::ApiError;
use super::params::{AppPath, At, ContentQuery, MessagePath, Names, PageQuery, Params};
use crate::model::message::{MessageIn, MessageOut, PrecheckIn, PrecheckOut};
use crate::model::page::Page;
use crate::model::time::Time;
use crate::store::page::Order;
use crate::store::{Answer, MessageFilter, NewMessage};

const TAG: &str = "Message";

pub(super) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get))
        .routes(routes!(precheck))
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FilterQuery {
    /// Only those on this channel.
    channel: Option<String>,
    /// Only those with this tag.
    tag: Option<String>,
    /// Only those of these types, separated by commas.
    #[param(value_type = Option<String>)]
    event_types: Option<Names>,
    /// Only those before this moment, at most 90 days.
    #[param(value_type = Option<String>, format = DateTime)]
    before: Option<Time>,
    /// Only those after this moment, at most 90 days; oldest page first.
    #[param(value_type = Option<String>, format = DateTime)]
    after: Option<Time>,
}

/// List messages, newest first.
#[utoipa::path(get, path = "/app/{app_id}/msg", tag = TAG, operation_id = "message.list",
    params(AppPath, PageQuery, FilterQuery, ContentQuery), responses((status = 200, body = Page<MessageOut>)))]
async fn list(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<AppPath>,
    Params(page): Params<PageQuery>,
    Params(filter): Params<FilterQuery>,
    Params(content): Params<ContentQuery>,
) -> Result<Json<Page<MessageOut>>, ApiError> {
    let walk = page.walk(Order::Descending)?;
    let scope = caller.scope(&path.app_id);
    let page = state.store.list_messages(&ctx, scope, walk, filter.into()).await?;
    Ok(Json(page.map(|message| MessageOut::new(message, content.with_content))))
}

/// Send a message to every endpoint that wants it.
#[utoipa::path(post, path = "/app/{app_id}/msg", tag = TAG, operation_id = "message.create",
    params(AppPath, ContentQuery), request_body = MessageIn, responses((status = 202, body = MessageOut)))]
async fn create(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<AppPath>,
    Params(content): Params<ContentQuery>,
    Creation { input, once, .. }: Creation<MessageIn>,
) -> Result<Answer, ApiError> {
    let scope = org.scope(&path.app_id);
    let new = NewMessage { input, path: path.app_id, with_content: content.with_content };
    Ok(state.store.create_message(&ctx, scope, new, once).await?)
}

/// Get a message.
#[utoipa::path(get, path = "/app/{app_id}/msg/{msg_id}", tag = TAG, operation_id = "message.get",
    params(MessagePath, ContentQuery), responses((status = 200, body = MessageOut)))]
async fn get(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    caller: Caller,
    At(path): At<MessagePath>,
    Params(content): Params<ContentQuery>,
) -> Result<Json<MessageOut>, ApiError> {
    let scope = caller.scope(&path.app_id);
    let message = state.store.message(&ctx, scope, path.msg_id.as_str().into()).await?;
    Ok(Json(MessageOut::new(message, content.with_content)))
}

/// Whether a message would be sent to any endpoint.
#[utoipa::path(post, path = "/app/{app_id}/msg/precheck/active", tag = TAG, operation_id = "message.precheck",
    params(AppPath), request_body = PrecheckIn, responses((status = 200, body = PrecheckOut)))]
async fn precheck(
    State(state): State<ApiState>,
    Ctx(ctx): Ctx,
    org: OrgToken,
    At(path): At<AppPath>,
    Checked { input, .. }: Checked<PrecheckIn>,
) -> Result<Json<PrecheckOut>, ApiError> {
    let active = state.store.is_wanted(&ctx, org.scope(&path.app_id), input).await?;
    Ok(Json(PrecheckOut { active }))
}

impl From<FilterQuery> for MessageFilter {
    fn from(query: FilterQuery) -> Self {
        Self {
            channel: query.channel,
            tag: query.tag,
            event_types: query.event_types.map(|names| names.0),
            before: query.before.map(|time| time.0),
            after: query.after.map(|time| time.0),
        }
    }
}
