//! Registers the demo application and an endpoint for the receiver, through the public API.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use linchpin::context::Context;
use linchpin::{Error, Kind};
use linchpin_http::client::{Client, Limits, SendError};
use linchpin_security::webhook::{ParseKeyError, PublicKey, Secret, Verifier};
use serde_json::{Value, json};

use super::Target;

/// The `uid` of the application that `relay listen` and the printed `curl` use.
pub const DEMO_APP: &str = "demo";
const DEMO_ENDPOINT: &str = "relay-listen";
/// Between two looks whether Relay is up.
const UP_AGAIN: Duration = Duration::from_millis(500);

/// Makes sure that the application and the endpoint exist, and returns what verifies their deliveries.
pub(super) async fn register(
    ctx: &Context,
    client: &Client,
    target: &Target,
    receiver: &str,
) -> linchpin::Result<Verifier> {
    wait_until_up(ctx, client, target).await?;
    let call = |method, path: String, body| call(ctx, client, target, method, path, body);
    let app = json!({ "name": "Demo", "uid": DEMO_APP });
    call(Method::PUT, format!("/api/v1/app/{DEMO_APP}"), app).await?;
    let endpoint = json!({
        "url": receiver,
        "uid": DEMO_ENDPOINT,
        "description": "registered by `relay listen`",
    });
    let path = format!("/api/v1/app/{DEMO_APP}/endpoint/{DEMO_ENDPOINT}");
    call(Method::PUT, path.clone(), endpoint).await?;
    let secret = call(Method::GET, format!("{path}/secret"), Value::Null).await?;
    let key = secret["key"].as_str().unwrap_or_default();
    verifier(key)
        .map_err(|fault| Error::new(Kind::Internal, fault).context("read the endpoint's secret"))
}

/// What is shown of a key pair is its public half, else the secret itself.
fn verifier(key: &str) -> Result<Verifier, ParseKeyError> {
    match key.parse::<PublicKey>() {
        Ok(public) => Ok(Verifier::new([&public])),
        Err(ParseKeyError::Prefix { .. }) => Ok(Verifier::new([&key.parse::<Secret>()?])),
        Err(fault) => Err(fault),
    }
}

async fn wait_until_up(ctx: &Context, client: &Client, target: &Target) -> linchpin::Result<()> {
    let mut told = false;
    loop {
        let health = request(target, Method::GET, "/api/v1/health", &Value::Null)?;
        match client.send(ctx, health, &Limits::default()).await {
            Ok(_) => return Ok(()),
            Err(SendError::Ended(ended)) => return Err(ended.into()),
            Err(error) if !told => {
                told = true;
                println!(
                    "waiting for Relay at {} ({error}); start it with `relay serve`",
                    target.url
                );
            }
            Err(_) => {}
        }
        ctx.sleep(UP_AGAIN).await?;
    }
}

async fn call(
    ctx: &Context,
    client: &Client,
    target: &Target,
    method: Method,
    path: String,
    body: Value,
) -> linchpin::Result<Value> {
    let request = request(target, method, &path, &body)?;
    let answer = client
        .send(ctx, request, &Limits::default())
        .await
        .map_err(|error| Error::new(Kind::Unavailable, error).context(format!("call {path}")))?;
    if answer.status.is_success() {
        return Ok(serde_json::from_slice(&answer.body).unwrap_or(Value::Null));
    }
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let hint = match answer.status.as_u16() {
        401 => " (give `--token` with what `relay serve` printed)",
        _ => "",
    };
    Err(Error::new(Kind::FailedPrecondition, text)
        .context(format!("{path} answered {}{hint}", answer.status)))
}

fn request(
    target: &Target,
    method: Method,
    path: &str,
    body: &Value,
) -> linchpin::Result<Request<Full<Bytes>>> {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    Request::builder()
        .method(method)
        .uri(format!("{}{path}", target.url.trim_end_matches('/')))
        .header(header::AUTHORIZATION, format!("Bearer {}", target.token))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(|fault| {
            Error::new(Kind::InvalidArgument, fault).context(format!("`{}` is no URL", target.url))
        })
}
