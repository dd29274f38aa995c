//! The clients that behave: messages at a steady rate, and how long each took.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use linchpin::task::{self, Task};
use linchpin::time::Instant;
use serde_json::json;
use tokio::net::TcpListener;

use crate::Failure;
use crate::relay::{Answer, Relay};

/// Clients that send at once.
const CLIENTS: u32 = 16;
/// Messages a second, of all together.
const RATE: u32 = 200;

/// An application with an endpoint, and a receiver that takes everything.
pub(crate) struct Good<'a> {
    relay: &'a Relay,
    messages: Arc<str>,
    _receiver: Task<()>,
}

/// What they met in a phase.
#[derive(Default)]
pub(crate) struct Met {
    /// How long each message took, from the moment when it was due.
    pub(crate) took: Vec<Duration>,
    /// Any other answer than a 202, and calls that failed.
    pub(crate) refused: Vec<String>,
}

impl<'a> Good<'a> {
    pub(crate) async fn create(relay: &'a Relay) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let receiver = task::spawn("receiver", async move {
            let router = Router::new().fallback(|_: axum::body::Bytes| async { StatusCode::OK });
            axum::serve(listener, router).await.expect("it serves until it is dropped");
        });
        let app = relay.create("/app", json!({ "name": "Drill" })).await?;
        relay.create(&format!("/app/{app}/endpoint"), json!({ "url": url })).await?;
        Ok(Self { relay, messages: format!("/app/{app}/msg").into(), _receiver: receiver })
    }

    /// Where messages are sent, below `/api/v1`.
    pub(crate) fn messages(&self) -> &str {
        &self.messages
    }

    /// All clients for so long, each message at its moment whether or not the one before was answered in time.
    pub(crate) async fn send(&self, phase: Duration) -> Result<Met, Failure> {
        let each = phase.as_secs() as u32 * RATE / CLIENTS;
        let (begun, mut clients) = (Instant::now(), Vec::new());
        for client in 0..CLIENTS {
            let due = |number| Duration::from_secs(1) * (number * CLIENTS + client) / RATE;
            let calls: Vec<_> =
                (0..each).map(|number| (begun + due(number), self.message(client))).collect();
            clients.push(task::spawn("client", async move {
                let mut met = Met::default();
                for (due, call) in calls {
                    tokio::time::sleep_until(due.into_tokio()).await;
                    let outcome = call.await;
                    met.took.push(due.elapsed());
                    met.refused.extend(refusal(outcome));
                }
                met
            }));
        }
        let mut all = Met::default();
        for client in clients {
            let Met { took, refused } = client.join().await;
            all.took.extend(took);
            all.refused.extend(refused);
        }
        all.took.sort();
        Ok(all)
    }

    fn message(&self, client: u32) -> impl Future<Output = Answer> + use<> {
        let body = json!({ "eventType": "drill.sent", "payload": { "client": client } });
        self.relay.post(&format!("{}?with_content=false", self.messages), &body)
    }
}

fn refusal(outcome: Answer) -> Option<String> {
    match outcome {
        Ok((StatusCode::ACCEPTED, _)) => None,
        Ok((status, body)) => Some(format!("{status} {}", String::from_utf8_lossy(&body))),
        Err(failure) => Some(failure.to_string()),
    }
}

impl Met {
    /// The 99th percentile.
    pub(crate) fn p99(&self) -> Duration {
        self.took.get(self.took.len() * 99 / 100).copied().unwrap_or_default()
    }
}
