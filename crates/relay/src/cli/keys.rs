//! `relay keys`: the keys that secrets are sealed with.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::{Arg, ArgMatches, Command};
use http::Method;
use linchpin::context::Context;
use linchpin::error::ResultExt as _;
use linchpin::time::Timestamp;
use linchpin::{Error, Kind, Result};
use linchpin_data::sqlite::Database;
use linchpin_security::seal::Keyring;

use super::call::{Api, Call, Failure};
use crate::config::Config;
use crate::store::{
    self,
    keys::{self, KeyUse, Walked},
};

/// Sealing a million texts anew takes less.
const LONGEST: Duration = Duration::from_mins(10);
const AFTER: &str = "\
To change the key: put a new one in front of `encryption-keys` (`relay keys new` prints one), start
Relay again, run `relay keys rotate`, and drop the old one when `relay keys list` says that nothing
is sealed with it. Backups that were made before need the old key as long as you keep them.";

pub(super) fn command(with_settings: impl Fn(Command) -> Command) -> Command {
    let url = Arg::new("url").long("url").value_name("URL").help(
        "The operators' address of the Relay that runs, such as http://127.0.0.1:8072 [default: none runs, open the file]",
    );
    let id = Arg::new("id").long("id").help("1 to 16 of a-z, 0-9 and - [default: k and the date]");
    Command::new("keys")
        .about("Make, list and change the keys that secrets are sealed with")
        .after_help(AFTER)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            Command::new("new").about("Print a new key for `encryption-keys`").arg(id),
            with_settings(
                Command::new("list").about("Show each key and how many texts it has sealed"),
            ),
            with_settings(
                Command::new("rotate").about("Seal everything with the first key").arg(url),
            ),
        ])
}

/// Prints a new key.
pub(super) fn new(matches: &ArgMatches) -> Result<ExitCode> {
    let today: String =
        Timestamp::now().to_string().chars().filter(char::is_ascii_digit).take(8).collect();
    let id = matches.get_one::<String>("id").cloned().unwrap_or_else(|| format!("k{today}"));
    let key = Keyring::generate_key(&id).kind(Kind::InvalidArgument).context("--id")?;
    println!("{}", key.expose());
    Ok(ExitCode::SUCCESS)
}

/// Prints every key that is in use or in force.
pub(super) fn list(config: &Config) -> Result<ExitCode> {
    // Whoever looks for a key that is missing must not be refused for that, nor have an older file brought up to date.
    let conn = store::look(&config.database)?;
    for KeyUse { id, texts, current, known } in keys::key_uses(&conn, &config.vault)? {
        let state = match (current, known) {
            (true, _) => "current",
            (false, true) => "old",
            (false, false) => "MISSING from `encryption-keys`",
        };
        println!("{id:<16} {texts:>9} texts  {state}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Seals all that is not sealed with the current key.
pub(super) async fn rotate(config: Config, url: Option<&String>) -> Result<ExitCode> {
    let ctx = Context::root();
    let Walked { sealed, unreadable } = match url {
        Some(url) => match ask(&ctx, url).await {
            Ok(walked) => walked,
            Err(failure) => return Ok(failure.tell()),
        },
        None => {
            let database = open(&ctx, &config.database, &config).await?;
            let walked = keys::rotate(&ctx, database.writer(), &config.vault).await;
            database.close(&ctx).await?;
            walked?
        }
    };
    println!("{sealed} texts sealed anew");
    if unreadable > 0 {
        let why = format!("{unreadable} texts do not open and are as they were: keep the old keys");
        return Err(Error::new(Kind::FailedPrecondition, why));
    }
    println!("The old keys are not needed any more, but for backups that were made before.");
    Ok(ExitCode::SUCCESS)
}

async fn open(ctx: &Context, path: &Path, config: &Config) -> Result<Database> {
    store::is_ours(path)?;
    keys::open_sealed(ctx, path, &config.vault)
        .await
        .context("open the database; if Relay runs, give its operators' address with `--url`")
}

/// Has a Relay that runs do it, with the keys that it was started with. Asking twice does no harm.
async fn ask(ctx: &Context, url: &str) -> Result<Walked, Failure> {
    let body = Some(Bytes::from_static(b"{}"));
    let call = Call { body, ..Call::new(Method::POST, ["keys", "rotate"]) };
    let api = Api::new(url, String::new()).context("--url")?.patient(LONGEST);
    let answer = api.ask(ctx, &call).await?;
    let walked = serde_json::from_slice(&answer).kind(Kind::Internal);
    Ok(walked.context("read the answer of --url")?)
}
