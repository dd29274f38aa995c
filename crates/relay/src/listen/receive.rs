//! Receives, verifies and shows.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use linchpin::sync::Mutex;
use linchpin::time::Timestamp;
use linchpin_security::webhook::{Verified, Verifier, VerifyError};

use super::answer::{Answer, Answers};

/// Shared by all requests.
pub(super) struct Receiver {
    pub(super) verifier: Verifier,
    pub(super) answers: Answers,
    pub(super) seen: Mutex<HashMap<String, u32>>,
}

/// So many messages are told apart; beyond that the counting starts anew.
const REMEMBERED: usize = 10_000;

/// Takes a delivery at any path.
pub(super) fn router(receiver: Arc<Receiver>) -> Router {
    Router::new().fallback(receive).with_state(receiver)
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let verified = receiver.verifier.verify(header, &body, Timestamp::now());
    let answer = match &verified {
        Ok(_) => receiver.answers.next(),
        Err(_) => Answer::Status(StatusCode::UNAUTHORIZED.as_u16()),
    };
    println!("{}", receiver.show(&verified, &body, answer));
    match answer {
        // Until the sender gives up and the connection's end drops this.
        Answer::Hang => std::future::pending().await,
        Answer::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            if status == StatusCode::TOO_MANY_REQUESTS {
                return (status, [("retry-after", "5")]).into_response();
            }
            status.into_response()
        }
    }
}

impl Receiver {
    fn show(
        &self,
        verified: &Result<Verified, VerifyError>,
        body: &[u8],
        answer: Answer,
    ) -> String {
        let now = Timestamp::now().to_string();
        let time = now.get(11..19).unwrap_or(&now);
        let headline = match verified {
            Ok(Verified { id, .. }) => format!("verified  {id}  attempt {}", self.count(id)),
            Err(fault) => format!("NOT VERIFIED ({fault})"),
        };
        let pretty = serde_json::from_slice::<serde_json::Value>(body)
            .and_then(|json| serde_json::to_string_pretty(&json))
            .unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned());
        let body = pretty.lines().collect::<Vec<_>>().join("\n    ");
        format!("{time}  {headline}  answered: {answer}\n    {body}")
    }

    /// How often this message came, this time included.
    fn count(&self, id: &str) -> u32 {
        let mut seen = self.seen.lock();
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        let count = seen.entry(id.to_owned()).or_insert(0);
        *count += 1;
        *count
    }
}
