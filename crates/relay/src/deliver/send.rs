//! One attempt: a signed POST and what came back.

use std::error::Error;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use linchpin::Context;
use linchpin::resilience::retry::retry_after;
use linchpin::time::{Instant, Timestamp};
use linchpin_http::client::{Client, Exchange, Limits, SendError};
use linchpin_security::webhook::Family;

use super::ours::Fault;
use super::ready::Ready;
use super::record::Attempt;
use super::targets::Target;
use crate::ids::AttemptId;

/// Sends attempts with one client.
#[derive(Debug)]
pub struct Sender {
    client: Client,
    limits: Limits,
    headers: Family,
    user_agent: HeaderValue,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Sent {
    /// It was made; `next` is not decided yet. The receiver may have asked to be left alone for a time.
    Made(Attempt, Option<Duration>),
    /// We stopped before an answer came; it must be made again.
    Abandoned,
    /// It could not be made, by a fault of this side, and must be made later; and how it is recorded if there were too many such.
    Ours(Fault, Attempt),
}

/// How much of a response is kept, in bytes.
const KEPT: usize = 20_000;
/// The longest `Retry-After` that is obeyed.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

impl Sender {
    /// A sender whose attempts take at most `timeout`, from the connect to the last byte of the response.
    #[must_use]
    pub fn new(client: Client, timeout: Duration, headers: Family) -> Self {
        let user_agent = concat!("Relay/", env!("CARGO_PKG_VERSION"));
        Self {
            client,
            limits: Limits::default().timeout(timeout).keep(KEPT),
            headers,
            user_agent: HeaderValue::from_static(user_agent),
        }
    }

    /// Makes one attempt. Only the end of `ctx` abandons it; everything else but a fault of this side is an outcome to record.
    pub(super) async fn send(&self, ctx: &Context, ready: &Ready, target: &Target) -> Sent {
        let at = Timestamp::now();
        let begun = Instant::now();
        let (mut ours, unanswered) = (None, |error: &dyn Error| (0, error.to_string(), None));
        let outcome = match self.request(ready, target, at) {
            Ok(request) => match self.client.send(ctx, request, &self.limits).await {
                Ok(exchange) => answer(&exchange),
                Err(SendError::Ended(_)) => return Sent::Abandoned,
                Err(error) => {
                    let outcome = unanswered(&error);
                    ours = match error {
                        SendError::Local(fault) => Some(Fault::Local(fault)),
                        SendError::Proxy(fault) => Some(Fault::Proxy(fault)),
                        _ => None,
                    };
                    outcome
                }
            },
            Err(error) => unanswered(&error),
        };
        let (status_code, response, asked) = outcome;
        let response = ours.as_ref().map_or(response, Fault::shown);
        let attempt = Attempt {
            id: AttemptId::at(at),
            url: target.url.clone(),
            at,
            success: (200..300).contains(&status_code),
            status_code,
            response,
            duration_ms: begun.elapsed().as_millis() as u64,
            is_ours: ours.is_some(),
            next: None,
        };
        match ours {
            Some(fault) => Sent::Ours(fault, attempt),
            None => Sent::Made(attempt, asked),
        }
    }

    fn request(
        &self,
        ready: &Ready,
        target: &Target,
        at: Timestamp,
    ) -> Result<Request<Full<bytes::Bytes>>, http::Error> {
        let id = ready.message.to_string();
        let signature = target.opened.signers.sign(&id, at, &ready.payload);
        let values = [
            HeaderValue::try_from(id)?,
            HeaderValue::from(at.as_seconds()),
            HeaderValue::try_from(signature)?,
        ];
        let media_type = ready.raw_type.as_deref().unwrap_or("application/json");
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&*target.url)
            .header(header::ACCEPT, "*/*")
            .header(header::CONTENT_TYPE, media_type)
            .header(header::USER_AGENT, self.user_agent.clone());
        for names in self.headers.names() {
            let names = [names.id, names.timestamp, names.signature];
            for (name, value) in names.into_iter().zip(&values) {
                request = request.header(HeaderName::from_static(name), value.clone());
            }
        }
        let mut request = request.body(Full::new(ready.payload.clone()))?;
        for (name, value) in &target.opened.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        Ok(request)
    }
}

fn answer(exchange: &Exchange) -> (u16, String, Option<Duration>) {
    // What is no text grows as it is made one.
    let mut body = String::from_utf8_lossy(&exchange.body).into_owned();
    body.truncate(body.floor_char_boundary(KEPT));
    (exchange.status.as_u16(), body, asked(exchange))
}

/// For how long a receiver that is overrun wants to be left alone, a day at most.
fn asked(exchange: &Exchange) -> Option<Duration> {
    const OVERRUN: [StatusCode; 2] =
        [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    let text =
        exchange.headers.get(header::RETRY_AFTER).filter(|_| OVERRUN.contains(&exchange.status));
    let wait = retry_after::parse(text?.to_str().ok()?, Timestamp::now())?;
    Some(wait.min(LONGEST_PAUSE))
}
