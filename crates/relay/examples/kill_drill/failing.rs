//! Syncs that fail under load: every client tries until it is told of its message, and all of them must be delivered
//! once, without a restart.
//!
//! A commit whose sync fails leaves open what the disk holds. If its group were there after all, its deliveries would be
//! leased and in nobody's memory; if it were there twice, they would be sent twice.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use linchpin::task;
use relay::ids::MessageId;
use serde_json::json;
use tokio::process::Command;

use crate::Failure;
use crate::books::Books;
use crate::load::{CLIENTS, Target};
use crate::receiver::Receiver;
use crate::service::Service;
use crate::verdict::{self, grouped};

/// Of a thread's syncs the fortieth and every seventh after it. Only the writer's thread makes so many.
const FAIL: &str = "inject=fsync,fdatasync:error=EIO:when=40+7";
const MESSAGES: u32 = 40;
/// Without progress for so long, deliveries are stuck: the service tries storage that fails again after 2 s at most, and
/// of these syncs no two fail in a row.
const STILL: Duration = Duration::from_secs(6);

/// What a client was told.
#[derive(Default)]
struct Told {
    /// The messages by their keys.
    accepted: BTreeMap<String, String>,
    /// Answers 503.
    refused: usize,
}

/// `Ok(false)` if a message was lost, is stuck or was sent twice.
pub(crate) async fn run(relay: &Path, database: &Path) -> Result<bool, Failure> {
    let receiver = Receiver::start(fastrand::Rng::new()).await?;
    let mut strace = Command::new("strace");
    strace
        .args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", FAIL])
        .arg(relay)
        // It logs every failure, and there are hundreds.
        .stderr(Stdio::null());
    let service = Service::start_as(strace, database).await?;
    let target = Target::create(&service, &receiver.url(0)).await?;

    let first = load(&service, &target).await?;
    let again = load(&service, &target).await?;
    let left = verdict::drained(database, STILL).await?;
    if left > 0 {
        println!("kill-drill: {left} deliveries are stuck after {} refusals", first.refused);
        return Ok(false);
    }
    service.terminate().await?;

    let ids: Vec<MessageId> =
        first.accepted.values().map(|id| id.parse()).collect::<Result<_, _>>()?;
    let books = Books::of_one(ids, receiver.received());
    let mut verdict = verdict::compare(&books, database)?;
    for (key, id) in first.accepted.iter().filter(|(key, id)| again.accepted.get(*key) != Some(id))
    {
        verdict.faults.push(format!("the key {key} gave {id} and then another message"));
    }
    if verdict.stored != books.sent.len() {
        verdict.faults.push(format!("{} messages are stored", verdict.stored));
    }
    if verdict.repeated > 0 {
        verdict.faults.push(format!("{} requests are not recorded", verdict.repeated));
    }
    verdict.show();
    println!(
        "kill-drill: {} accepted, {} refusals of unknown outcome, {} lost, {} sent twice, integrity {}",
        grouped(books.sent.len()),
        grouped(first.refused),
        verdict.lost,
        verdict.repeated,
        verdict.integrity,
    );
    if verdict.faults.is_empty() && first.refused == 0 {
        return Err("no sync has failed".into());
    }
    Ok(verdict.faults.is_empty())
}

/// All clients at once, each with its messages.
async fn load(service: &Arc<Service>, target: &Target) -> Result<Told, Failure> {
    let client = |client| {
        let (service, path) = (service.clone(), target.messages().to_owned());
        task::spawn("client", async move { send(&service, &path, client).await })
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    let mut all = Told::default();
    for client in clients {
        let told = client.join().await?;
        all.accepted.extend(told.accepted);
        all.refused += told.refused;
    }
    Ok(all)
}

/// Sends each message until it is accepted.
async fn send(service: &Service, path: &str, client: u32) -> Result<Told, Failure> {
    let mut told = Told::default();
    for number in 0..MESSAGES {
        let key = format!("{client}.{number}");
        let body =
            json!({ "eventType": "drill.sent", "payload": { "client": client, "number": number } });
        let answer = service.post_until_known(path, &key, &body.to_string()).await?;
        told.refused += answer.refusals;
        let (202, Some(id)) = (answer.status, answer.body["id"].as_str()) else {
            return Err(
                format!("a message was answered with {} {}", answer.status, answer.body).into()
            );
        };
        told.accepted.insert(key, id.to_owned());
    }
    Ok(told)
}
