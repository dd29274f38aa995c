//! Whether the service does what it is for, with what it needs for it.

use std::time::Duration;

use linchpin::time::Instant;
use serde_json::{Value, json};

use super::target::{Target, call};
use super::wire::Client;

/// Far longer than a delivery takes, whatever waits beside it.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Has a new application, with a new endpoint, send one message, and waits until it is delivered.
pub(crate) async fn is_well(target: &Target) -> Result<(), String> {
    let mut client = Client::new(target.address);
    let token = &target.tokens.ours;
    let mut made = async |path: String, body: Value| {
        let (status, shown) = call(&mut client, token, "POST", &path, &body).await?;
        let id = shown["id"].as_str().map(str::to_owned);
        id.ok_or_else(|| format!("POST {path} answered {status}: {shown}"))
    };
    let app = made("/app".to_owned(), json!({ "name": "Well" })).await?;
    let url = format!("{}well", target.receiver);
    made(format!("/app/{app}/endpoint"), json!({ "url": url })).await?;
    let message = json!({ "eventType": "well", "payload": { "is": "well" } });
    let message = made(format!("/app/{app}/msg"), message).await?;

    let path = format!("/app/{app}/attempt/msg/{message}");
    let began = Instant::now();
    loop {
        let (status, list) = call(&mut client, token, "GET", &path, &Value::Null).await?;
        if list["data"][0]["responseStatusCode"] == 200 {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("a good message was not delivered: {status} {list}"));
        }
        // Of the state of another process there is no event here.
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The memory that a process holds, in MiB.
pub(crate) fn memory(id: u32) -> Result<u64, String> {
    let path = format!("/proc/{id}/status");
    let status = std::fs::read_to_string(&path).map_err(|fault| format!("{path}: {fault}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kib.ok_or_else(|| format!("no memory in {status}"))? >> 10)
}

/// The lines of a log that tell of an error or a panic.
pub(crate) fn errors(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter(|line| line.contains("ERROR") || line.contains("panic"))
}
