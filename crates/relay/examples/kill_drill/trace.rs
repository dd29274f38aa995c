//! The order of system calls around one message: written to the log, synced, then answered.

use std::path::Path;

use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use crate::Failure;
use crate::load::Target;
use crate::service::{LOOK_AGAIN, PATIENCE, Service};

/// Stands in the payload, so that the writes that carry the message are known.
const MARKER: &str = "kill-drill-marker";
const CALLS: &str = "trace=fsync,fdatasync,pwrite64,write,writev,sendto";
/// Makes every sync take 50 ms, as on a slow disk, so that an answer that does not wait for it is always ahead.
const SLOW: &str = "inject=fsync,fdatasync:delay_enter=50000";

/// Sends one message under strace and checks the trace. `Ok(false)` if the answer came too early.
pub(crate) async fn run(relay: &Path, database: &Path, file: &Path) -> Result<bool, Failure> {
    // -D makes strace a grandchild: the process that is started, signalled and waited for is Relay.
    let mut strace = Command::new("strace");
    strace
        .args(["-D", "-f", "-y", "-s", "5000", "-e", CALLS, "-e", SLOW, "-o"])
        .arg(file)
        .arg(relay);
    let service = Service::start_as(strace, database).await?;
    // Nobody needs to receive: the answer must not depend on it.
    let target = Target::create(&service, "http://127.0.0.1:9/").await?;
    let body = json!({ "eventType": "drill.sent", "payload": { "marker": MARKER } });
    let (status, reply) = service.call("POST", target.messages(), body.to_string()).await?;
    if status != 202 {
        return Err(format!("the message was answered with {status} {reply}").into());
    }
    service.terminate().await?;
    let trace = ended(file).await?;
    Ok(match check(&trace) {
        Ok(order) => {
            println!("kill-drill: {order}");
            true
        }
        Err(fault) => {
            println!("kill-drill: {fault}");
            false
        }
    })
}

/// The trace, once strace has seen the end of the process.
async fn ended(file: &Path) -> Result<String, Failure> {
    let reading = async {
        loop {
            let trace = String::from_utf8_lossy(&std::fs::read(file)?).into_owned();
            if trace.trim_end().ends_with("+++ exited with 0 +++") {
                return Ok::<_, Failure>(trace);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    timeout(PATIENCE, reading).await?
}

/// One line of a trace that matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Event {
    /// A write to the log begins; whether it carries the message.
    Write(bool),
    /// A sync of the log begins.
    SyncBegins,
    /// A sync of the log has ended.
    SyncEnds,
    /// The message's answer is being written.
    Answer,
}

/// Which sync stands between the message's last write and its answer, or what is wrong.
fn check(trace: &str) -> Result<String, String> {
    let mut syncing = None;
    let events: Vec<Event> = trace.lines().flat_map(|line| events(line, &mut syncing)).collect();
    let position = |wanted: Event| events.iter().position(|event| *event == wanted);
    let answer = position(Event::Answer).ok_or("the trace has no answer to the message")?;
    let written =
        position(Event::Write(true)).ok_or("the trace has no write of the message to the log")?;
    if answer < written {
        return Err("the message was answered before it was written to the log".into());
    }
    let between = &events[written..answer];
    let last = between.iter().rposition(|event| matches!(event, Event::Write(_))).unwrap_or(0);
    let writes = between.iter().filter(|event| matches!(event, Event::Write(_))).count();
    let after = &between[last..];
    let synced = after
        .iter()
        .position(|event| *event == Event::SyncBegins)
        .is_some_and(|begun| after[begun..].contains(&Event::SyncEnds));
    if !synced {
        return Err("the message was answered before the log was synced".into());
    }
    Ok(format!("{writes} writes of the message to the log, a sync of the log, then the answer"))
}

/// What a line tells. `syncing` is the thread whose sync was last seen to begin and not to end.
fn events(line: &str, syncing: &mut Option<String>) -> Vec<Event> {
    let Some((thread, call)) = line.split_once(' ') else { return Vec::new() };
    let call = call.trim_start();
    let on_log = || call.split(',').next().is_some_and(|first| first.contains("-wal>"));
    if call.starts_with("pwrite64(") && on_log() {
        return vec![Event::Write(call.contains(MARKER))];
    }
    if (call.starts_with("fdatasync(") || call.starts_with("fsync(")) && on_log() {
        if call.ends_with("<unfinished ...>") {
            *syncing = Some(thread.to_owned());
            return vec![Event::SyncBegins];
        }
        return vec![Event::SyncBegins, Event::SyncEnds];
    }
    let resumed =
        call.starts_with("<... fdatasync resumed>") || call.starts_with("<... fsync resumed>");
    if resumed && syncing.as_deref() == Some(thread) {
        *syncing = None;
        return vec![Event::SyncEnds];
    }
    let sends = ["write(", "writev(", "sendto("].iter().any(|name| call.starts_with(name));
    if sends && call.contains("HTTP/1.1 202 ") { vec![Event::Answer] } else { Vec::new() }
}
