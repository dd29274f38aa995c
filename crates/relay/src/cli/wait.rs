//! Waiting for the end of what was begun.

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::ArgMatches;
use linchpin::context::Context;
use linchpin::{Error, Kind};
use serde::Deserialize;
use serde_json::Value;

use super::call::{Api, Call, Failure};
use super::output::{Format, Progress, parsed};
use super::verb::Shape;

/// Between two looks: the API has no word for "tell me when".
const LOOK: Duration = Duration::from_millis(250);
/// The status of what has arrived, and of what is still to be tried for the first time.
const DELIVERED: u8 = 0;
const TO_BE_SENT: u8 = 3;

/// Where a message goes, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Destination {
    status: u8,
    next_attempt: Option<String>,
}

#[derive(Deserialize)]
struct Destinations {
    data: Vec<Destination>,
    #[serde(default)]
    iterator: Option<String>,
    done: bool,
}

/// The call that says where `begun` stands.
pub(super) fn on(shape: Shape, matches: &ArgMatches, begun: &Bytes) -> linchpin::Result<Call> {
    let told: Value = parsed(begun)?;
    let id = told["id"].as_str().unwrap_or_default().to_owned();
    let app = matches.try_get_one::<String>("app_id").ok().flatten().cloned().unwrap_or_default();
    let segments = match shape {
        Shape::Sent => vec!["app".to_owned(), app, "msg".to_owned(), id, "endpoint".to_owned()],
        _ => vec!["background-task".to_owned(), id],
    };
    Ok(Call::get(["api".to_owned(), "v1".to_owned()].into_iter().chain(segments)))
}

/// Waits for the end of a task, shows it, and exits with 1 if it failed.
pub(super) async fn for_task(
    ctx: &Context,
    api: &Api,
    call: Call,
    format: Format,
) -> Result<ExitCode, Failure> {
    let progress = Progress::new();
    loop {
        let body = api.ask(ctx, &call).await?;
        let task: Value = parsed(&body)?;
        if task["status"] != "running" {
            drop(progress);
            format.one(&body)?;
            return Ok(exit(task["status"] == "finished"));
        }
        progress.tell(&format!("{}: {}", task["task"], so_far(&task["data"])));
        ctx.sleep(LOOK).await.map_err(Error::from)?;
    }
}

/// How much a task has done.
fn so_far(data: &Value) -> String {
    let messages = ["messagesSent", "messagesPurged"].iter().find_map(|name| data[name].as_u64());
    let apps = ["appStats", "event_types"].iter().find_map(|name| data[name].as_array());
    match (messages, apps) {
        (Some(count), _) => format!("{count} messages so far"),
        (None, Some(apps)) => format!("{} applications so far", apps.len()),
        (None, None) => "under way".to_owned(),
    }
}

/// Waits until a message has arrived everywhere, or failed where it is not tried again; exits with 1 if any failed.
pub(super) async fn for_message(ctx: &Context, api: &Api, call: Call) -> Result<ExitCode, Failure> {
    let progress = Progress::new();
    loop {
        let all = destinations(ctx, api, &call).await?;
        let is_open = |one: &&Destination| {
            one.status == TO_BE_SENT || (one.status != DELIVERED && one.next_attempt.is_some())
        };
        let open = all.iter().filter(is_open).count();
        if open == 0 {
            let failed = all.iter().filter(|one| one.status != DELIVERED).count();
            drop(progress);
            if failed > 0 {
                // As `on` has put it together.
                let named = |at: usize| call.segments.get(at).map_or("", String::as_str);
                let (app, message) = (named(3), named(5));
                let why = format!(
                    "{failed} of {} endpoints did not get it; `relay message endpoints {app} {message}` says which",
                    all.len()
                );
                return Err(Error::new(Kind::FailedPrecondition, why).into());
            }
            return Ok(ExitCode::SUCCESS);
        }
        progress.tell(&format!("{} of {} endpoints", all.len() - open, all.len()));
        ctx.sleep(LOOK).await.map_err(Error::from)?;
    }
}

async fn destinations(ctx: &Context, api: &Api, call: &Call) -> Result<Vec<Destination>, Failure> {
    let mut all = Vec::new();
    let mut query = Vec::new();
    loop {
        let call = Call { query, ..Call::get(call.segments.clone()) };
        let page: Destinations = parsed(&api.ask(ctx, &call).await?)?;
        all.extend(page.data);
        match page.iterator.filter(|_| !page.done) {
            Some(next) => query = vec![("iterator".to_owned(), next)],
            None => return Ok(all),
        }
    }
}

fn exit(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
