//! `relay doctor`: looks for what is wrong with a Relay or is about to be, and says what to do.
//!
//! It only reads, beside a Relay that runs or where none does. A check that cannot be made is a finding, too, and keeps no other from
//! being made.

mod content;
mod files;
mod host;
mod keys;
mod report;
mod rows;
mod running;
mod settings;

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use linchpin::context::Context;

use self::report::Report;
use super::call::Failure;
use super::settings::sources;
use crate::config::Config;

const AFTER: &str = "\
It reads the whole database once, as a backup does, and changes nothing. Exit code 1 says that something is broken; what is only
a warning leaves it at 0.";

pub(super) fn command(with_settings: impl Fn(Command) -> Command) -> Command {
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help(
        "For programs: {\"data\":[{\"check\":..,\"state\":..,\"found\":..,\"advice\":..}],..}",
    );
    with_settings(
        Command::new("doctor")
            .about("Look for what is wrong here, and say what to do")
            .after_help(AFTER)
            .arg(json),
    )
}

/// Makes every check and shows what it has found; 1 if something is broken.
pub(super) async fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let mut report = Report::default();
    match Config::load(&sources(matches)) {
        Ok(config) => examine(&mut report, &config, matches).await,
        Err(faults) => {
            let advice = "`relay check-config` shows where each comes from";
            report.fail("settings", faults, advice);
        }
    }
    report.show(matches.get_flag("json"))?;
    Ok(if report.is_broken() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn examine(report: &mut Report, config: &Config, matches: &ArgMatches) {
    settings::check(report, config);
    // Before anything is opened: whoever closes a file takes the locks of its own process away.
    if files::check(report, &config.database) {
        content::check(report, config);
    }
    host::check(report, config);
    running::check(&Context::root(), report, config, matches).await;
}
