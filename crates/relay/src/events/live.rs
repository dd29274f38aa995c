//! Events on the wire: server-sent events, which a terminal can follow and a browser can read.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use linchpin::Context;
use linchpin::resilience::BadOptions;
use linchpin::sync::bus::{Message, Subscriber};
use linchpin::sync::select;
use linchpin::task::stream::{self, Yielder};

use super::{Attempted, Events};

/// After so long without an event a comment says that the stream is alive.
const QUIET: Duration = Duration::from_secs(15);

/// A response that tells the events of `topic` until the service stops or the client goes.
pub(crate) fn live(ctx: Context, events: &Events, topic: &str) -> Result<Response, BadOptions> {
    let subscriber = events.subscribe(topic)?;
    let texts = stream::from_fn(|texts| follow(ctx, subscriber, texts));
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, Body::from_stream(texts)).into_response())
}

async fn follow(
    ctx: Context,
    mut events: Subscriber<Attempted>,
    mut texts: Yielder<Result<String, Infallible>>,
) {
    // At once, so that a client knows that it misses nothing from here on.
    let mut text = ": listening\n\n".to_owned();
    loop {
        texts.give(Ok(text)).await;
        text = match select::within(&ctx, QUIET, events.recv(&ctx)).await {
            Ok(Some(Ok(event))) => show(event),
            Ok(None) => ": nothing happens\n\n".to_owned(),
            Ok(Some(Err(_))) | Err(_) => return,
        };
    }
}

fn show(event: Message<'_, Attempted>) -> String {
    let data = serde_json::to_string(event.into_inner()).expect("ids, numbers and times are JSON");
    let text = format!("event: {}\ndata: {data}\n\n", event.topic());
    match event.missed() {
        0 => text,
        missed => format!("event: missed\ndata: {missed}\n\n{text}"),
    }
}
