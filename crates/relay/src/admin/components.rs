//! `/components`: the parts of the service, and how each is.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use linchpin::sync::lanes::Class;
use linchpin::task;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::AdminState;

/// A part of the service.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Component {
    pub(crate) name: Cow<'static, str>,
    pub(crate) state: Condition,
    /// For people: what it does now, or what is wrong.
    pub(crate) about: String,
}

/// How something is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Condition {
    /// As it should be.
    Ok,
    /// It works, and is about to be trouble or is not safe.
    Warn,
    /// It does not work.
    Fail,
}

/// What is due is attempted sooner, unless there is too much of it.
const LATE: Duration = Duration::from_mins(1);
/// A log that has so many bytes is held up by somebody.
const LONG_LOG: u64 = 256 << 20;

/// The tasks that each part cannot be without.
const TASKS: [(&str, &[&str]); 5] = [
    ("deliveries", &["dispatch", "claim", "find", "lay down"]),
    ("background tasks", &["background"]),
    ("retention", &["sweep"]),
    ("pruning", &["prune"]),
    ("metrics", &["metrics"]),
];

pub(super) async fn components(state: State<AdminState>) -> Json<Value> {
    let mut all = vec![service(&state)];
    all.extend(store(&state).await);
    all.push(storage(&state));
    all.extend(tasks(&state));
    all.extend([backlog(&state), lanes(&state), breakers(&state), requests(&state)]);
    all.push(part("events", Condition::Ok, format!("{} listen", state.events.listeners())));
    Json(json!({ "data": all }))
}

fn part(name: &'static str, state: Condition, about: impl Into<String>) -> Component {
    Component { name: name.into(), state, about: about.into() }
}

fn service(state: &AdminState) -> Component {
    let under_way = state.life.in_flight();
    let (condition, phase) = if state.life.is_ready() {
        (Condition::Ok, "ready")
    } else {
        (Condition::Warn, "starting or shutting down")
    };
    part("service", condition, format!("{phase}; {under_way} connections and attempts"))
}

/// The readers, the writer and the idempotency records, which are asked.
async fn store(state: &AdminState) -> Vec<Component> {
    let answers = state.store.probe(state.life.work()).await;
    let component = |(name, answer): (&'static str, linchpin::Result<()>)| {
        let name = match name {
            "database" => "readers",
            "queue" => "writer",
            _ => "idempotency",
        };
        match answer {
            Ok(()) => well(state, name),
            Err(error) => part(name, Condition::Fail, format!("no answer: {}", error.report())),
        }
    };
    answers.into_iter().map(component).collect()
}

/// A part of the store that has answered.
fn well(state: &AdminState, name: &'static str) -> Component {
    match name {
        "readers" => {
            let bytes = state.database.wal_bytes().unwrap_or(0);
            let condition = if bytes > LONG_LOG { Condition::Warn } else { Condition::Ok };
            part(name, condition, format!("answer; the log has {} KiB", bytes >> 10))
        }
        "writer" => {
            let stats = state.database.writer().stats();
            let about = format!(
                "{} wait; {} submissions in {} commits, the last of which took {:.1?}",
                stats.queued, stats.submissions, stats.groups, stats.last_commit_took
            );
            part(name, Condition::Ok, about)
        }
        _ => part(name, Condition::Ok, "answers"),
    }
}

/// The disk, as writes have found it. A probe writes nothing, and so says nothing of it.
fn storage(state: &AdminState) -> Component {
    match state.database.writer().trouble() {
        None => part("storage", Condition::Ok, "takes what is written"),
        Some(trouble) => {
            let (path, since, why) = (state.database.path().display(), trouble.since, trouble.why);
            part("storage", Condition::Fail, format!("writes to {path} fail since {since}: {why}"))
        }
    }
}

/// What runs for as long as the service does.
fn tasks(state: &AdminState) -> Vec<Component> {
    let live: BTreeSet<_> = task::live().iter().map(|task| task.name).collect();
    let ends = state.life.accepting().check().is_err();
    let component = |(name, tasks): (&'static str, &[&'static str])| {
        let gone: Vec<_> = tasks.iter().copied().filter(|task| !live.contains(task)).collect();
        if gone.is_empty() {
            part(name, Condition::Ok, "at work")
        } else if ends {
            part(name, Condition::Warn, "over, as the service ends")
        } else {
            let about = format!("over, though the service goes on: {}", gone.join(", "));
            part(name, Condition::Fail, about)
        }
    };
    TASKS.into_iter().map(component).collect()
}

/// What is still to be delivered.
fn backlog(state: &AdminState) -> Component {
    let in_memory = state.queue.level();
    let late = state.queue.oldest_due();
    let condition =
        if late.is_some_and(|late| late > LATE) { Condition::Warn } else { Condition::Ok };
    let oldest =
        late.map_or("none is due".to_owned(), |late| format!("the oldest is due since {late:.1?}"));
    let about = format!("{in_memory} deliveries in memory; {oldest}");
    part("backlog", condition, about)
}

fn lanes(state: &AdminState) -> Component {
    let classes = [(Class::Proven, "proven"), (Class::Fresh, "new"), (Class::Slow, "slow")];
    let class = |(class, name): (Class, &str)| {
        let numbers = state.queue.numbers(class);
        format!("{} {name} with {} under way", numbers.lanes, numbers.under_way)
    };
    part("lanes", Condition::Ok, classes.map(class).join(", "))
}

fn breakers(state: &AdminState) -> Component {
    let all = state.policies.snapshots();
    let breakers = all.iter().filter(|one| one.policy == "breaker" && one.key.is_some());
    let (mut closed, mut others) = (0, 0);
    for one in breakers {
        *if one.state == "closed" { &mut closed } else { &mut others } += 1;
    }
    part("breakers", Condition::Ok, format!("{closed} closed, {others} not; `relay breaker list`"))
}

/// What lets requests in, and holds them back.
fn requests(state: &AdminState) -> Component {
    let gate = state.gate.snapshots();
    let shown = gate.map(|one| format!("{} {}", one.policy, one.state));
    part("requests", Condition::Ok, shown.join(", "))
}
