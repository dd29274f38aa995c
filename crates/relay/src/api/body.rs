//! Request bodies: JSON whatever the content type says, judged whole, and creations once per idempotency key.

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use linchpin::error;
use linchpin::sync::object_pool::{Buffer, BufferOptions, BufferPool};
use linchpin_data::idempotency::{Fingerprint, Key};
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use super::ApiState;
use super::auth::Caller;
use super::error::ApiError;
use crate::model::faults::{DECODE, VALUE};
use crate::model::{Faults, Input};
use crate::store::{Answer, Once};

/// The largest body that is read: 1 MiB.
pub const LIMIT: usize = 1 << 20;

/// The smallest buffer: bodies of one piece are as large as this, or nearly so.
const SMALLEST: usize = 8 << 10;

const KEY: &str = "idempotency-key";
/// The longest idempotency key, in bytes.
const KEY_BYTES: usize = 256;
/// Says that a reply was given before.
const REPLAYED: &str = "idempotent-replayed";

/// A checked body.
#[derive(Debug)]
pub(super) struct Checked<T>(pub(super) T);

/// A checked body of a POST, and the idempotency key it came with.
#[derive(Debug)]
pub(super) struct Creation<T> {
    pub(super) input: T,
    pub(super) once: Option<Once>,
}

impl<T: Input> FromRequest<ApiState> for Checked<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let bytes = read(request.into_body(), &state.buffers).await?;
        parse(&bytes, state).map(Self)
    }
}

impl<T: Input> FromRequest<ApiState> for Creation<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, state).await?;
        let bytes = read(body, &state.buffers).await?;
        let input = parse(&bytes, state)?;
        Ok(Self { input, once: once(&parts, &caller, &bytes)? })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("only real statuses are stored");
        let json = [(header::CONTENT_TYPE, "application/json")];
        let replayed = self.replayed.then_some([(REPLAYED, "true")]);
        (status, json, replayed, Body::from(self.body)).into_response()
    }
}

/// Where bodies are put together that come in several pieces: a large one would be a new piece of memory each time.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "the options are constants, and good ones")]
pub fn buffers() -> BufferPool {
    let options = BufferOptions::default().name("request bodies").sizes(SMALLEST, LIMIT);
    BufferPool::new(options).expect("two powers of two")
}

/// A body in one piece stays as it came.
async fn read(body: Body, buffers: &BufferPool) -> Result<Bytes, ApiError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(LIMIT).min(LIMIT);
    let mut body = Limited::new(body, LIMIT);
    let (mut first, mut whole): (Bytes, Option<Buffer>) = Default::default();
    while let Some(frame) = body.frame().await {
        // Trailers say nothing here.
        let Ok(piece) = frame.map_err(|fault| fault_of(&*fault))?.into_data() else { continue };
        match &mut whole {
            Some(whole) => whole.extend_from_slice(&piece),
            None if first.is_empty() => first = piece,
            None => {
                let mut begun = buffers.take_owned(announced.max(first.len() + piece.len()));
                begun.extend_from_slice(&first);
                begun.extend_from_slice(&piece);
                whole = Some(begun);
            }
        }
    }
    Ok(whole.map_or(first, Bytes::from_owner))
}

fn fault_of(fault: &(dyn std::error::Error + 'static)) -> ApiError {
    // A limit further out says the same, under wrappers.
    if error::find::<LengthLimitError>(fault).is_some() {
        ApiError::of_status(StatusCode::PAYLOAD_TOO_LARGE)
    } else {
        ApiError::new(StatusCode::BAD_REQUEST, "generic_error", "The body did not arrive whole")
    }
}

fn parse<T: Input>(bytes: &[u8], state: &ApiState) -> Result<T, ApiError> {
    let mut input: T = serde_json::from_slice(bytes).map_err(|_| decode_fault::<T>(bytes))?;
    let mut faults = Faults::of("body");
    input.check(&state.addresses, &mut faults);
    faults.into_result()?;
    Ok(input)
}

/// Parses once more, now with an eye on where: only a body that is refused pays for that.
fn decode_fault<T: Input>(bytes: &[u8]) -> Faults {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize::<_, T>(&mut deserializer);
    let (loc, msg) = match parsed {
        Err(fault) if fault.inner().classify() == Category::Data => {
            (place(fault.path()), fault.inner().to_string())
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
