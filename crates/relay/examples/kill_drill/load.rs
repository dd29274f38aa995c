//! The clients: they send until the service is killed, and remember what it acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use linchpin::task::{self, Task};
use serde_json::json;

use crate::Failure;
use crate::service::Service;

const CLIENTS: u32 = 16;

/// Where messages are sent.
pub(crate) struct Target {
    messages: Arc<str>,
}

/// The ids that were acknowledged, or an answer that should not have been given.
pub(crate) type Told = Result<Vec<String>, Failure>;

impl Target {
    /// An application with one endpoint.
    pub(crate) async fn create(service: &Service, url: &str) -> Result<Self, Failure> {
        let app = created(service, "/app", json!({ "name": "Drill" })).await?;
        created(service, &format!("/app/{app}/endpoint"), json!({ "url": url })).await?;
        Ok(Self { messages: format!("/app/{app}/msg").into() })
    }

    pub(crate) fn messages(&self) -> &str {
        &self.messages
    }
}

async fn created(
    service: &Service,
    path: &str,
    body: serde_json::Value,
) -> Result<String, Failure> {
    let (status, reply) = service.call("POST", path, body.to_string()).await?;
    match (status, reply["id"].as_str()) {
        (201, Some(id)) => Ok(id.to_owned()),
        _ => Err(format!("POST {path}: {status} {reply}").into()),
    }
}

/// The clients of one round.
pub(crate) struct Load {
    service: Arc<Service>,
    armed: Arc<AtomicBool>,
    clients: Vec<Task<Told>>,
}

impl Load {
    /// Starts the clients.
    pub(crate) fn begin(service: Arc<Service>, target: &Target, round: u32) -> Self {
        let armed = Arc::new(AtomicBool::new(false));
        let client = |client| {
            let (service, armed, path) = (service.clone(), armed.clone(), target.messages.clone());
            let name = format!("{round}.{client}");
            task::spawn("client", async move { send(&service, &armed, &path, &name).await })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { service, armed, clients }
    }

    /// Kills the service, and returns all that the clients were told.
    ///
    /// `struck` leaves the kill to the client that is told next, so that it comes right behind an
    /// acknowledgement: the moment at which one that was given too early shows.
    pub(crate) async fn end(self, struck: bool) -> Told {
        if struck {
            self.armed.store(true, Ordering::Release);
        } else {
            self.service.kill().await?;
        }
        let mut all = Vec::new();
        for client in self.clients {
            all.extend(client.join().await?);
        }
        self.service.kill().await?;
        Ok(all)
    }
}

/// Sends one message after the other until nobody answers.
async fn send(service: &Service, armed: &AtomicBool, path: &str, name: &str) -> Told {
    let mut acknowledged = Vec::new();
    for number in 0_u64.. {
        let body = json!({
            "eventType": "drill.sent",
            "eventId": format!("{name}.{number}"),
            "payload": { "client": name, "number": number },
        });
        // No answer: the kill. Whether that message was stored is open, and either is right.
        let Ok((status, reply)) = service.call("POST", path, body.to_string()).await else { break };
        match (status, reply["id"].as_str()) {
            (202, Some(id)) => {
                if armed.load(Ordering::Acquire) {
                    service.strike();
                }
                acknowledged.push(id.to_owned());
            }
            _ => return Err(format!("a message was answered with {status} {reply}").into()),
        }
    }
    Ok(acknowledged)
}

/// Those of the messages that the service does not know.
pub(crate) async fn missing(service: &Service, target: &Target, ids: &[String]) -> Told {
    let mut missing = Vec::new();
    for some in ids.chunks(CLIENTS as usize) {
        let look = |id: &String| {
            let call = service.call("GET", &format!("{}/{id}", target.messages), String::new());
            (id.clone(), task::spawn("look", call))
        };
        for (id, look) in some.iter().map(look).collect::<Vec<_>>() {
            match look.join().await? {
                (200, found) if found["id"] == id.as_str() => {}
                (404, _) => missing.push(id),
                (status, reply) => return Err(format!("GET {id}: {status} {reply}").into()),
            }
        }
    }
    Ok(missing)
}
