//! The suite with version 1 of the client.

use svix1::api::{
    ApplicationIn, EndpointHeadersIn, EndpointOut, EndpointUpdate, EventTypeOut, EventTypeUpdate,
    OperationalWebhookEndpointHeadersIn, OperationalWebhookEndpointUpdate, Svix,
};
use svix1::error::Result;
use svix1::{self as sdk, api as models};

use super::super::process;

#[expect(clippy::duplicate_mod, reason = "one suite for both versions of the client")]
#[path = "suite/mod.rs"]
mod suite;

const MAJOR: u64 = 1;

/// What this version calls an endpoint's event types.
const EVENT_TYPES: &str = "filterTypes";

async fn upsert_application(svix: &Svix, id: &str, application: ApplicationIn) -> Result<String> {
    Ok(svix.application().update(id.into(), application).await?.id)
}

async fn upsert_event_type(svix: &Svix, name: &str, description: &str) -> Result<EventTypeOut> {
    let event_type = EventTypeUpdate::new(description.into());
    svix.event_type().update(name.into(), event_type).await
}

async fn upsert_endpoint(svix: &Svix, app: &str, id: &str, url: String) -> Result<EndpointOut> {
    svix.endpoint().update(app.into(), id.into(), EndpointUpdate::new(url)).await
}

async fn set_headers(svix: &Svix, app: &str, id: &str, headers: EndpointHeadersIn) -> Result<()> {
    svix.endpoint().update_headers(app.into(), id.into(), headers).await
}

#[expect(deprecated, reason = "it is there for old clients")]
async fn dashboard_access(svix: &Svix, app: &str) -> Result<()> {
    svix.authentication().dashboard_access(app.into(), None).await.map(drop)
}

async fn upsert_operational(svix: &Svix, id: &str, url: String) -> Result<String> {
    let endpoint = OperationalWebhookEndpointUpdate::new(url);
    Ok(svix.operational_webhook().endpoint().update(id.into(), endpoint).await?.id)
}

async fn set_operational_headers(
    svix: &Svix,
    id: &str,
    headers: OperationalWebhookEndpointHeadersIn,
) -> Result<()> {
    svix.operational_webhook().endpoint().update_headers(id.into(), headers).await
}

/// This version has no call for it.
async fn bulk_expunge(_: &Svix, _: &str, _: String) -> Result<()> {
    Ok(())
}

/// Nor for this.
async fn attempt_stats(_: &Svix, _: &str, _: &str) -> Result<()> {
    Ok(())
}
