//! Request bodies: JSON, judged whole, and creations once per idempotency key.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use linchpin::context::Context;
use linchpin_data::idempotency::{Fingerprint, Key};
use linchpin_http::client::AddressPolicy;
use linchpin_http::middleware::Ctx;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use super::ApiState;
use super::auth::Caller;
use super::bodies::{Room, Whole};
use super::error::ApiError;
use super::words;
use crate::model::faults::{DECODE, VALUE};
use crate::model::{Faults, Input};
use crate::store::{Answer, Once};

pub(super) const KEY: &str = "idempotency-key";
/// The longest idempotency key, in bytes.
const KEY_BYTES: usize = 256;
/// Says that a reply was given before.
const REPLAYED: &str = "idempotent-replayed";

/// A checked body, which has room until it is dropped.
#[derive(Debug)]
pub(super) struct Checked<T> {
    pub(super) input: T,
    _room: Room,
}

/// The same of a POST, with the idempotency key it came with.
#[derive(Debug)]
pub(super) struct Creation<T> {
    pub(super) input: T,
    pub(super) once: Option<Once>,
    _room: Room,
}

impl<T: Input> FromRequest<ApiState> for Checked<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let ctx = ctx(&mut parts, state).await?;
        let Whole { bytes, room } = whole(&ctx, &parts, body, state).await?;
        Ok(Self { input: parsed(&ctx, &bytes, state).await?, _room: room })
    }
}

impl<T: Input> FromRequest<ApiState> for Creation<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, state).await?;
        let ctx = ctx(&mut parts, state).await?;
        let Whole { bytes, room } = whole(&ctx, &parts, body, state).await?;
        let input = parsed(&ctx, &bytes, state).await?;
        Ok(Self { input, once: once(&parts, &caller, &bytes)?, _room: room })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("only real statuses are stored");
        let json = [(header::CONTENT_TYPE, "application/json")];
        let replayed = self.replayed.then_some([(REPLAYED, "true")]);
        if status == StatusCode::NO_CONTENT {
            return (status, replayed, ()).into_response();
        }
        (status, json, replayed, Body::from(self.body)).into_response()
    }
}

async fn ctx(parts: &mut Parts, state: &ApiState) -> Result<Context, ApiError> {
    let ctx = Ctx::from_request_parts(parts, state).await;
    ctx.map(|Ctx(ctx)| ctx).map_err(|_| ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR))
}

/// The body of a request, if that says that it is JSON or nothing.
async fn whole(
    ctx: &Context,
    parts: &Parts,
    body: Body,
    state: &ApiState,
) -> Result<Whole, ApiError> {
    if let Some(kind) = parts.headers.get(header::CONTENT_TYPE)
        && !kind.to_str().is_ok_and(is_json)
    {
        return Err(ApiError::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    state.bodies.read(ctx, body).await
}

/// `application/json`, or another type whose suffix says so, with or without parameters.
fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some(subtype) = essence.strip_prefix("application/") else { return false };
    subtype == "json" || subtype.ends_with("+json")
}

/// What a body says, found out where it holds up nobody if that takes long.
async fn parsed<T: Input>(ctx: &Context, bytes: &Bytes, state: &ApiState) -> Result<T, ApiError> {
    if !T::TAKES_LONG {
        return parse(bytes, &state.addresses);
    }
    let (bytes, addresses) = (bytes.clone(), state.addresses.clone());
    state.bodies.apart(ctx, move || parse(&bytes, &addresses)).await?
}

fn parse<T: Input>(bytes: &[u8], addresses: &AddressPolicy) -> Result<T, ApiError> {
    let bytes = if bytes.is_empty() && T::MAY_BE_MISSING { b"{}" } else { bytes };
    let mut input: T = serde_json::from_slice(bytes).map_err(|_| decode_fault::<T>(bytes))?;
    let mut faults = Faults::of("body");
    input.check(addresses, &mut faults);
    faults.into_result()?;
    Ok(input)
}

/// Parses once more, now with an eye on where: only a body that is refused pays for that.
fn decode_fault<T: Input>(bytes: &[u8]) -> Faults {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize::<_, T>(&mut deserializer);
    let (loc, msg) = match parsed {
        Err(fault) if fault.inner().classify() == Category::Data => {
            (place(fault.path()), words::of_json(fault.inner()))
        }
        Err(fault) => (vec!["?".to_owned()], fault.inner().to_string()),
        Ok(_) => (vec!["?".to_owned()], "trailing characters after the body".to_owned()),
    };
    Faults::one("body", loc, DECODE, msg)
}

/// The way to a value. The root is two empty names, as svix-server writes it.
fn place(path: &Path) -> Vec<String> {
    let names: Vec<String> = path
        .iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("[{index}]"),
            Segment::Map { key } => key.clone(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => "?".to_owned(),
        })
        .collect();
    if names.is_empty() { vec![String::new(), String::new()] } else { names }
}

/// What makes this request the same as another: who asks, for what, and the key they gave.
fn once(parts: &Parts, caller: &Caller, body: &[u8]) -> Result<Option<Once>, ApiError> {
    let Some(given) = key(&parts.headers)? else { return Ok(None) };
    let org = caller.org();
    let app = match caller {
        Caller::Org(_) => &[][..],
        Caller::App { app, .. } => app.as_bytes(),
    };
    // Without the prefix that all routes share, which says nothing.
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    Ok(Some(Once {
        key: Key::new([&org.as_bytes()[..], app, path.as_bytes(), given]),
        fingerprint: Fingerprint::new([query.as_bytes(), body]),
    }))
}

fn key(headers: &HeaderMap) -> Result<Option<&[u8]>, ApiError> {
    let Some(value) = headers.get(KEY) else { return Ok(None) };
    if (1..=KEY_BYTES).contains(&value.len()) {
        return Ok(Some(value.as_bytes()));
    }
    let msg = format!("must be 1 to {KEY_BYTES} bytes");
    Err(Faults::one("header", [KEY], VALUE, msg).into())
}
