//! `relay status`: the parts of a Relay that runs, and how each is.

use std::process::ExitCode;

use bytes::Bytes;
use clap::{ArgMatches, Command};
use linchpin::context::Context;

use super::call::{Api, Call, Failure};
use super::output::{Format, Page, parsed};
use super::verb::Column;
use super::{client, settings};
use crate::admin::{Component, Condition};

const COLUMNS: &[Column] = &[
    Column::new("PART", "/name"),
    Column::new("STATE", "/state"),
    Column::new("HOW IT IS", "/about"),
];

pub(super) fn command() -> Command {
    Command::new("status")
        .about("Show the parts of a Relay that runs; 1 if one of them fails")
        .args(settings::client(true))
        .arg(client::output())
}

/// Shows each part; 1 if one fails.
pub(super) async fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let format = client::format(matches);
    let (body, components) = ask(&Context::root(), &settings::target(true, matches)?).await?;
    match format {
        Format::Json => format.one(&body)?,
        _ => format.many(&parsed::<Page>(&body)?.data, COLUMNS)?,
    }
    let fails = components.iter().any(|component| component.state == Condition::Fail);
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The parts of the Relay at `api`: as it has said it, and read.
pub(super) async fn ask(ctx: &Context, api: &Api) -> Result<(Bytes, Vec<Component>), Failure> {
    let body = api.ask(ctx, &Call::get(["components"])).await?;
    let page: Page = parsed(&body)?;
    let components = page.data.iter().map(|one| parsed(one.get().as_bytes()));
    let components = components.collect::<linchpin::Result<_>>()?;
    Ok((body, components))
}
