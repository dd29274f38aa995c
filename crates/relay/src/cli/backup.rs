//! `relay backup` and `relay restore`: a copy of the database while Relay runs, and back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use linchpin::context::Context;
use linchpin::error::ResultExt as _;
use linchpin::{Kind, Result, task};
use linchpin_data::sqlite::{self, Progress, Sql as _};
use linchpin_http::lifecycle::{Lifecycle, Options};

use super::output;
use crate::config::Config;
use crate::store::{self, keys};

pub(super) fn commands(with_settings: impl Fn(Command) -> Command) -> [Command; 2] {
    let file = |help| {
        Arg::new("file")
            .value_name("FILE")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help(help)
    };
    [
        with_settings(
            Command::new("backup")
                .about("Copy the database, also while Relay runs")
                .arg(file("The copy; it must not be there yet")),
        ),
        with_settings(
            Command::new("restore")
                .about("Make the database of `--database` from a backup")
                .arg(file("What `relay backup` has made")),
        ),
    ]
}

/// Copies the database, and says what is in the copy.
pub(super) async fn backup(matches: &ArgMatches, config: Config) -> Result<ExitCode> {
    let (from, to) = (config.database, file(matches));
    store::is_ours(&from)?;
    let copy = to.to_owned();
    until_signal(move |ctx| sqlite::backup(ctx, &from, &copy, teller())).await?;
    println!("{} has {}", to.display(), Inside::read(to)?.text());
    Ok(ExitCode::SUCCESS)
}

/// Makes a database of a backup. One that the keys do not open is removed again.
pub(super) async fn restore(matches: &ArgMatches, config: Config) -> Result<ExitCode> {
    let (ctx, to) = (Context::root(), config.database.as_path());
    let from = file(matches).to_owned();
    store::is_ours(&from)?;
    store::make_folder(to)?;
    let (copy, options) = (to.to_owned(), store::options()?);
    until_signal(move |ctx| sqlite::restore(ctx, &from, &copy, &options, teller())).await?;
    let opened = async { keys::open_sealed(&ctx, to, &config.vault).await?.close(&ctx).await };
    if let Err(error) = opened.await {
        // It is closed then, so nothing lies beside it.
        fs::remove_file(to).kind(Kind::Unavailable).context("remove what does not open")?;
        return Err(error.context("the backup does not go with the settings here"));
    }
    println!("{} has {}", to.display(), Inside::read(to)?.text());
    Ok(ExitCode::SUCCESS)
}

/// Runs what copies, under a context that a signal ends: what is not whole is removed then.
async fn until_signal(copy: impl FnOnce(&Context) -> Result<()> + Send + 'static) -> Result<()> {
    let life = Lifecycle::new(Options::default())?;
    let _signals = life.signals()?;
    let ctx = life.accepting().clone();
    let copying = async {
        let watched = ctx.clone();
        let copied = task::blocking("copy", move || copy(&ctx)).join().await;
        let interrupted = watched.is_cancelled();
        life.shutdown("the copy has ended");
        if interrupted {
            copied.context("interrupted: nothing is left of the copy")
        } else {
            copied
        }
    };
    let (_, copied) = tokio::join!(life.finished(), copying);
    copied
}

/// What a copy holds.
struct Inside {
    schema: u32,
    messages: i64,
    keys: Vec<String>,
}

impl Inside {
    fn read(path: &Path) -> Result<Self> {
        let conn = store::look(path)?;
        let schema = store::schema_of(&conn)?;
        let messages = conn.query_row(MESSAGES, (), |row| row.get(0)).sql("count messages")?;
        let keys = keys::in_use_at_any_age(&conn)?.into_keys().collect();
        Ok(Self { schema, messages, keys })
    }

    fn text(&self) -> String {
        let Self { schema, messages, keys } = self;
        let keys = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
        format!("schema {schema}, {messages} messages; keys it needs: {keys}")
    }
}

fn file(matches: &ArgMatches) -> &Path {
    matches.get_one::<PathBuf>("file").expect("it is required")
}

/// Tells a person how far it is, each time that there is something new.
fn teller() -> impl FnMut(Progress) {
    let (line, mut last) = (output::Progress::new(), None);
    move |Progress { done, pages }| {
        let percent = done * 100 / pages.max(1);
        if last.replace(percent) != Some(percent) {
            line.tell(&if done == pages { "checking".to_owned() } else { format!("{percent} %") });
        }
    }
}

const MESSAGES: &str = "SELECT count(*) FROM message";
