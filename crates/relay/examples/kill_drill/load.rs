//! The senders: they send until the service is killed, and remember what it acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use linchpin::task::{self, Task};
use linchpin::time::Instant;
use serde_json::json;

use crate::Failure;
use crate::beside::{self, Ended};
use crate::books::Sent;
use crate::by_hand;
use crate::service::Service;
use crate::world::World;

/// Clients that send at once.
pub(crate) const CLIENTS: u32 = 16;
/// Bytes of a large message.
const LARGE: usize = 128 * 1024;
/// Of so many messages one is brief, its content is kept for as little as can be asked for; and one is old.
const SPECIAL: u64 = 8;

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
    let answer = service.post_until_known(path, path, &body.to_string()).await?;
    match (answer.status, answer.body["id"].as_str()) {
        (201, Some(id)) => Ok(id.to_owned()),
        (status, _) => Err(format!("POST {path}: {status} {}", answer.body).into()),
    }
}

/// The clients of one round, and what goes on beside them.
pub(crate) struct Load {
    service: Arc<Service>,
    strike: Arc<Strike>,
    clients: Vec<Task<Told>>,
    beside: Vec<Task<Ended>>,
}

/// A kill right behind an acknowledgement.
struct Strike {
    /// Acknowledgements of large messages until it comes, or that it is not armed.
    left: AtomicUsize,
}

impl Strike {
    const UNARMED: usize = usize::MAX;

    fn is_armed(&self) -> bool {
        self.left.load(Ordering::Acquire) != Self::UNARMED
    }

    /// Counts an acknowledgement; whether it is the one to strike at.
    fn is_now(&self) -> bool {
        let counted = |left: usize| left.checked_sub(1);
        self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, counted) == Ok(1)
    }
}

impl Load {
    /// Starts the clients, and all that acts beside them.
    pub(crate) fn begin(service: Arc<Service>, world: &Arc<World>, round: u32) -> Self {
        let strike = Arc::new(Strike { left: AtomicUsize::new(Strike::UNARMED) });
        let client = |client| {
            let (service, strike, world) = (service.clone(), strike.clone(), world.clone());
            let name = format!("{round}.{client}");
            task::spawn("client", async move { send(&service, &strike, &world, &name).await })
        };
        let clients = (0..CLIENTS).map(client).collect();
        let beside = beside::begin(&service, world);
        Self { service, strike, clients, beside }
    }

    /// Kills the service at once, and returns all that the clients were told.
    pub(crate) async fn kill(self) -> Told {
        self.service.kill().await?;
        self.told().await
    }

    /// Has the clients kill the service, and returns all that they were told.
    ///
    /// From here on they send large messages, so that a commit takes longer, and one of them strikes when it is told of
    /// the one numbered `at`, most likely in the midst of the acknowledgements of a group. One that was given too early
    /// shows at that moment; a kill at a random one seldom finds it.
    pub(crate) async fn strike(self, at: usize) -> Told {
        self.strike.left.store(at, Ordering::Release);
        self.told().await
    }

    async fn told(self) -> Told {
        let mut all = Vec::new();
        for client in self.clients {
            all.extend(client.join().await?);
        }
        self.service.kill().await?;
        for actor in self.beside {
            actor.join().await?;
        }
        Ok(all)
    }
}

/// Sends one message after the other until nobody answers.
async fn send(service: &Service, strike: &Strike, world: &World, name: &str) -> Told {
    let path = format!("/app/{}/msg?with_content=false", world.app);
    let mut acknowledged = Vec::new();
    for number in 0_u64.. {
        let (armed, is_brief) = (strike.is_armed(), number % SPECIAL == SPECIAL - 1);
        let is_old = number % SPECIAL == SPECIAL / 2 - 1;
        let fill = "x".repeat(if armed { LARGE } else { 0 });
        let mut body = json!({
            "eventType": if is_old { by_hand::OLD } else { "drill.sent" },
            "eventId": format!("{name}.{number}"),
            "payload": { "client": name, "number": number, "fill": fill },
        });
        if is_brief {
            body["payloadRetentionHours"] = json!(1);
        }
        let sent = Sent { begun: Instant::now(), due: world.due(), is_brief };
        // No answer: the kill. Whether that message was stored is open, and either is right.
        let Ok(answer) = service.post(&path, None, &body.to_string()).await else { break };
        if armed && strike.is_now() {
            service.strike();
        }
        let (202, Some(id)) = (answer.status, answer.body["id"].as_str()) else {
            let what = format!("{} {}", answer.status, answer.body);
            return Err(format!("a message was answered with {what}").into());
        };
        if is_old {
            // It may go at any moment.
            world.books().acknowledged(id.parse()?, sent);
            continue;
        }
        world.acknowledged(id.parse()?, sent);
        acknowledged.push(id.to_owned());
    }
    Ok(acknowledged)
}

/// Those of the messages that the service does not know.
pub(crate) async fn missing(service: &Service, messages: &str, ids: &[String]) -> Told {
    let mut missing = Vec::new();
    for some in ids.chunks(CLIENTS as usize) {
        let look = |id: &String| {
            let call = service.call("GET", &format!("{messages}/{id}"), String::new());
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
