//! The suite with version 2 of the client.

use svix::api::Svix;
use svix::error::Result;
use svix::models::{
    ApplicationIn, EndpointHeadersIn, EndpointOut, EndpointUpsertIn, EventTypeOut,
    EventTypeUpsertIn, OperationalWebhookEndpointHeadersIn, OperationalWebhookEndpointUpsertIn,
};
use svix::{self as sdk, models};

use super::super::process;

#[path = "suite/mod.rs"]
mod suite;

const MAJOR: u64 = 2;

/// What this version calls an endpoint's event types.
const EVENT_TYPES: &str = "eventTypes";

async fn upsert_application(svix: &Svix, id: &str, application: ApplicationIn) -> Result<String> {
    Ok(svix.application().upsert(id.into(), application).await?.id)
}

async fn upsert_event_type(svix: &Svix, name: &str, description: &str) -> Result<EventTypeOut> {
    let event_type = EventTypeUpsertIn::new(description.into());
    svix.event_type().upsert(name.into(), event_type).await
}

async fn upsert_endpoint(svix: &Svix, app: &str, id: &str, url: String) -> Result<EndpointOut> {
    svix.endpoint().upsert(app.into(), id.into(), EndpointUpsertIn::new(url)).await
}

async fn set_headers(svix: &Svix, app: &str, id: &str, headers: EndpointHeadersIn) -> Result<()> {
    svix.endpoint().set_headers(app.into(), id.into(), headers).await
}

/// This version has no call for it.
async fn dashboard_access(_: &Svix, _: &str) -> Result<()> {
    Ok(())
}

async fn upsert_operational(svix: &Svix, id: &str, url: String) -> Result<String> {
    let endpoint = OperationalWebhookEndpointUpsertIn::new(url);
    Ok(svix.operational_webhook().endpoint().upsert(id.into(), endpoint).await?.id)
}

async fn set_operational_headers(
    svix: &Svix,
    id: &str,
    headers: OperationalWebhookEndpointHeadersIn,
) -> Result<()> {
    svix.operational_webhook().endpoint().set_headers(id.into(), headers).await
}

async fn bulk_expunge(svix: &Svix, app: &str, message: String) -> Result<()> {
    let ids = models::BulkExpungeContentsIn { ids: Some([message].into()) };
    svix.message().bulk_expunge_content(app.into(), ids, None).await.map(drop)
}

async fn attempt_stats(svix: &Svix, app: &str, endpoint: &str) -> Result<()> {
    svix.endpoint().get_attempt_stats(app.into(), endpoint.into(), None).await.map(drop)
}
