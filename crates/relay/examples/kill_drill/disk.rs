//! A disk that fails under load, in each round in another way, and a kill.
//!
//! Writes or syncs of the log, or of the file at a checkpoint, end with an I/O error or find no room: now and then, for a
//! while, or from some moment on. Each client tries until it is told of its message. What it was told is there at the next
//! start, on a disk that is well again; what it was not told is refused with a 503 that says when to try again. While the
//! disk fails all that only reads goes on, and when it heals all goes on, without a restart.

mod ways;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use linchpin::task;
use linchpin::time::Instant;
use relay::ids::MessageId;
use serde_json::json;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use self::ways::Way;
use crate::Failure;
use crate::books::Books;
use crate::load::{self, CLIENTS, Target};
use crate::receiver::Receiver;
use crate::service::{PATIENCE, Service};
use crate::verdict::{self, grouped};

/// How long the clients of a round send.
const LOAD_FOR: Duration = Duration::from_millis(600);
const TRY_AGAIN: Duration = Duration::from_millis(5);
/// How strace marks a call that it made fail.
const INJECTED: &str = "(INJECTED)";
/// Bytes of a message: a few hundred make a checkpoint.
const FILL: usize = 12 * 1024;

/// What clients were told in one round.
#[derive(Default)]
struct Told {
    acknowledged: BTreeSet<String>,
    /// Answers 503.
    refused: usize,
    /// Calls that failed, in each round.
    failed: Vec<usize>,
    faults: Vec<String>,
}

/// `Ok(false)` if something acknowledged was lost, or an answer was not what it should be.
pub(crate) async fn run(
    relay: &Path,
    home: &Path,
    rounds: u32,
    mut random: fastrand::Rng,
) -> Result<bool, Failure> {
    let [database, log, trace] = ["relay.db", "relay.log", "trace"].map(|name| home.join(name));
    let receiver = Receiver::start(random.fork()).await?;
    let service = Service::start(relay, &database).await?;
    let target = Target::create(&service, &receiver.url(0)).await?;
    service.kill().await?;
    let (mut all, mut faults) = (Told::default(), Vec::new());
    for round in 1..=rounds {
        let way = Way::of_round(round, &mut random);
        let mut strace = way.command(&database, &trace);
        strace.arg(relay).stderr(File::create(&log)?);
        let mut told = one(strace, &database, &target, (&way, round)).await?;
        told.faults.extend(ways::unsaid(told.refused, &fs::read_to_string(&log)?));

        let service = Service::start(relay, &database).await?;
        let ids: Vec<String> = told.acknowledged.iter().cloned().collect();
        let lost = load::missing(&service, target.messages(), &ids).await?;
        let (count, refused) = (ids.len(), told.refused);
        let failed = fs::read_to_string(&trace)?.matches(INJECTED).count();
        println!(
            "round {round}: {way}: {failed} calls failed, {count} acknowledged, {refused} refused, {} gone",
            lost.len()
        );
        all.failed.push(failed);
        if let Some(first) = lost.first() {
            println!("kill-drill: {round} rounds, {} lost, such as {first}", lost.len());
            return Ok(false);
        }
        service.kill().await?;
        all.acknowledged.append(&mut told.acknowledged);
        all.refused += refused;
        faults
            .extend(told.faults.into_iter().map(|fault| format!("round {round}: {way}: {fault}")));
    }
    let service = Service::start(relay, &database).await?;
    let left = verdict::drained(&database, PATIENCE).await?;
    service.terminate().await?;

    let ids: Vec<MessageId> =
        all.acknowledged.iter().map(|id| id.parse()).collect::<Result<_, _>>()?;
    let mut verdict = verdict::compare(&Books::of_one(ids, receiver.received()), &database)?;
    if left > 0 {
        verdict.faults.push(format!("{left} deliveries are stuck"));
    }
    verdict.faults.append(&mut faults);
    verdict.show();
    println!(
        "kill-drill: {rounds} rounds, {} calls failed in {} of them, {} acknowledged all the same, {} refused, {} lost, {} \
         recorded twice, {} faults, integrity {}",
        grouped(all.failed.iter().sum()),
        all.failed.iter().filter(|failed| **failed > 0).count(),
        grouped(all.acknowledged.len()),
        grouped(all.refused),
        verdict.lost,
        verdict.twice,
        verdict.faults.len(),
        verdict.integrity,
    );
    if verdict.faults.is_empty() && all.failed.contains(&0) {
        return Err("a disk did not fail".into());
    }
    Ok(verdict.faults.is_empty())
}

/// A round: load while the disk fails, and the end.
async fn one(
    strace: Command,
    database: &Path,
    target: &Target,
    (way, round): (&Way, u32),
) -> Result<Told, Failure> {
    let service = Service::start_as(strace, database).await?;
    let until = Instant::now() + LOAD_FOR;
    let client = |client| {
        let (service, path) = (service.clone(), target.messages().to_owned());
        let name = format!("{round}.{client}");
        task::spawn("client", async move { send(&service, &path, &name, until).await })
    };
    let mut told = Told::default();
    for client in (0..CLIENTS).map(client).collect::<Vec<_>>() {
        let mut one = client.join().await?;
        told.acknowledged.append(&mut one.acknowledged);
        told.refused += one.refused;
        told.faults.append(&mut one.faults);
    }
    let read = service.call("GET", target.messages(), String::new()).await;
    if !matches!(read, Ok((200, _))) {
        told.faults.push(format!("a read was answered with {read:?}"));
    }
    if way.heals() {
        match timeout(PATIENCE, heals(&service, target.messages(), round)).await {
            Ok(id) => drop(told.acknowledged.insert(id?)),
            Err(_) => told.faults.push("it does not recover".to_owned()),
        }
    }
    if way.is_at_checkpoints() {
        // The last checkpoint fails, too, which is no reason to fail with it.
        service.terminate().await?;
    } else {
        service.kill().await?;
    }
    Ok(told)
}

/// Sends each message until it is accepted, or the time is over.
async fn send(
    service: &Arc<Service>,
    path: &str,
    name: &str,
    until: Instant,
) -> Result<Told, Failure> {
    let mut told = Told::default();
    let mut number = 0;
    while Instant::now() < until {
        let key = format!("{name}.{number}");
        let answer = service.post(path, Some(&key), &body(&key)).await?;
        match (answer.status, answer.body["id"].as_str()) {
            (202, Some(id)) => {
                told.acknowledged.insert(id.to_owned());
                number += 1;
            }
            (503, _) if answer.has_retry_after => {
                told.refused += 1;
                sleep(TRY_AGAIN).await;
            }
            (status, _) => {
                told.faults.push(format!("a message was answered with {status} {}", answer.body));
            }
        }
    }
    Ok(told)
}

/// The id of a message that is accepted at last.
async fn heals(service: &Service, path: &str, round: u32) -> Result<String, Failure> {
    let key = format!("{round}.last");
    loop {
        let answer = service.post(path, Some(&key), &body(&key)).await?;
        match (answer.status, answer.body["id"].as_str()) {
            (202, Some(id)) => return Ok(id.to_owned()),
            _ => sleep(TRY_AGAIN).await,
        }
    }
}

fn body(key: &str) -> String {
    let payload = json!({ "key": key, "fill": "x".repeat(FILL) });
    json!({ "eventType": "drill.sent", "eventId": key, "payload": payload }).to_string()
}
