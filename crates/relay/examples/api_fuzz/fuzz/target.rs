//! Whom to try, and who asks.

use std::net::SocketAddr;
use std::time::Duration;

use linchpin::time::Timestamp;
use linchpin_security::jwt::{Issuer, Keys};
use relay::api::auth::Claims;
use relay::config::DEVELOPMENT_SECRET;
use relay::ids::{AppId, OrgId};
use serde_json::{Value, json};

use super::request::Request;
use super::wire::{Answer, Client};

/// A Relay in development mode.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tokens: Tokens,
    /// The URL of a receiver that answers 200 to everything, with a slash at its end.
    pub(crate) receiver: String,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    /// An organisation.
    pub(crate) ours: String,
    /// Another one, which has things that are nobody else's business.
    pub(crate) theirs: String,
    /// A third, which has nothing.
    pub(crate) stranger: String,
    /// One application of ours.
    pub(crate) app: String,
}

/// Longer than any run.
const GOOD_FOR: Duration = Duration::from_hours(24);

impl Target {
    /// The Relay at an address, with three organisations that are new, and an application.
    pub(crate) async fn new(address: SocketAddr, receiver: String) -> Result<Self, String> {
        let [ours, theirs, stranger] = [(); 3].map(|()| OrgId::at(Timestamp::now()));
        let own = token(ours, None)?;
        let (mut client, fuzz) = (Client::new(address), json!({ "name": "Fuzz" }));
        let (_, app) = call(&mut client, &own, "POST", "/app", &fuzz).await?;
        let app = app["id"].as_str().and_then(|id| id.parse().ok()).ok_or("no application")?;
        let tokens = Tokens {
            ours: own,
            theirs: token(theirs, None)?,
            stranger: token(stranger, None)?,
            app: token(ours, Some(app))?,
        };
        Ok(Self { address, tokens, receiver })
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn token(org: OrgId, app: Option<AppId>) -> Result<String, String> {
    let now = Timestamp::now();
    let issuer = Issuer::new(&Keys::hs256(DEVELOPMENT_SECRET.as_bytes()));
    issuer.issue(&Claims::new(org, app, now, now + GOOD_FOR)).map_err(|fault| fault.to_string())
}

/// A plain call below `/api/v1`; null is no body.
pub(super) async fn call(
    client: &mut Client,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<(u16, Value), String> {
    let mut request = Request {
        method: method.to_owned(),
        target: format!("/api/v1{path}"),
        headers: Vec::new(),
        body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
    };
    request.header("authorization", Some(format!("Bearer {token}").as_bytes()));
    let Answer { status, body, .. } = client.send(&request.bytes(), false).await?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Ok((status, body))
}
