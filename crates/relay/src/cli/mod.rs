//! The command line: the service and what belongs to it here, and the client of one that runs, whose commands are the
//! tables of `nouns`.

mod backup;
mod call;
mod client;
mod doctor;
mod keys;
mod nouns;
mod output;
mod settings;
mod status;
mod tail;
mod token;
mod verb;
mod wait;

use std::net::SocketAddr;
use std::num::NonZero;
use std::process::ExitCode;

use clap::builder::Styles;
use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;
use linchpin::context::Context;
use linchpin::{Error, Kind};
use linchpin_security::config::table;

use self::call::{Call, Failure};
pub use self::client::routes;
pub(crate) use self::settings::issue;
use self::settings::{load, setting, settings_but_few, sources};
use crate::config::{Config, PREFIX, SETTINGS};
use crate::listen::{self, Answer};
use crate::{serve, store};

const AFTER: &str = "\
Exit codes:
  0  done; for `serve`: everything under way was finished, or given back to be sent after the next start
  1  failed; for `serve` also: something was aborted at the hard stop or by a second signal
  2  wrong usage or settings
  4  what was asked for is not there

Every setting is a flag, a variable (RELAY_RETRY_SCHEDULE) and a key of the TOML file
(retry-schedule), in this order of precedence. `relay check-config` shows what is in force.

The commands about what a Relay holds ask the one at --relay or RELAY_URL (operators: --admin or RELAY_ADMIN_URL), with
the token of --token or RELAY_TOKEN; without them, the one that the settings here would start.";

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let matches = command().get_matches();
    let (name, matches) = matches.subcommand().unwrap_or(("serve", &matches));
    let result = match name {
        "listen" => listen(matches),
        "keys" => match matches.subcommand() {
            Some(("list", matches)) => load(matches).and_then(|config| keys::list(&config)),
            Some(("rotate", matches)) => {
                with_config(matches, |config| keys::rotate(config, matches.get_one("url")))
            }
            _ => keys::new(matches.subcommand_matches("new").unwrap_or(matches)),
        },
        "doctor" => show(doctor::run(matches)),
        "status" => show(status::run(matches)),
        "backup" => with_config(matches, |config| backup::backup(matches, config)),
        "restore" => with_config(matches, |config| backup::restore(matches, config)),
        "migrate" => migrate(matches),
        "token" => load(matches).and_then(|config| token::run(matches, &config)),
        "check-config" => check_config(matches),
        "healthcheck" => healthcheck(matches),
        "completions" => Ok(completions(matches)),
        "serve" => serve(matches),
        noun => ask(noun, matches),
    };
    result.unwrap_or_else(|error| tell(&error))
}

/// Tells a person what is wrong, and says how to exit.
fn tell(error: &Error) -> ExitCode {
    eprintln!("relay: {}", error.report());
    match error.kind() {
        Kind::InvalidArgument => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}

fn command() -> Command {
    let with_settings = |command: Command| command.args(SETTINGS.iter().map(setting));
    // What is told of all settings hides what a command is for.
    let with_few = |command: Command| command.args(settings_but_few());
    let listen = Command::new("listen")
        .about("Receive, verify and show deliveries; answer badly on purpose")
        .args([
            Arg::new("address")
                .long("address")
                .value_name("ADDRESS")
                .default_value("127.0.0.1:8073")
                .value_parser(value_parser!(SocketAddr))
                .help("Where to receive"),
            Arg::new("relay")
                .long("relay")
                .value_name("URL")
                .help("The Relay to register with [default: RELAY_URL, or the one set here]"),
            Arg::new("token")
                .long("token")
                .value_name("TOKEN")
                .help("An organisation's token [default: RELAY_TOKEN, or made with the secret set here]"),
            Arg::new("answers")
                .long("answers")
                .value_name("LIST")
                .value_delimiter(',')
                .value_parser(|text: &str| text.parse::<Answer>())
                .default_value("ok")
                .help("What to answer, one a request, the last for ever: ok, fail, hang, 429, 410, ..")
                .long_help(
                    "What to answer, one a request, the last for ever: ok, fail, hang or any status.\n\
                     `--answers fail,ok` fails once and lets the retry through.",
                ),
        ])
        .arg(setting(&SETTINGS[0]));
    let healthcheck = Command::new("healthcheck")
        .about("Say by the exit code whether a Relay is ready")
        .arg(Arg::new("url").value_name("URL").help("Of its operators' listener"))
        .arg(setting(&SETTINGS[0]));
    let completions =
        Command::new("completions").about("Print what a shell needs to complete commands").arg(
            Arg::new("shell")
                .value_name("SHELL")
                .help("Which one")
                .required(true)
                .value_parser(value_parser!(Shell)),
        );
    with_few(
        Command::new("relay")
            .version(env!("CARGO_PKG_VERSION"))
            .about("Webhook delivery in one binary, for the Svix client libraries")
            .after_help(AFTER)
            .styles(Styles::styled())
            .args_conflicts_with_subcommands(true)
            .args_override_self(true)
            .subcommands([
                with_settings(Command::new("serve").about("Run the service (the default)")),
                listen,
                keys::command(with_few),
                with_few(Command::new("migrate").about("Bring the database up to date and stop")),
                token::command(with_few),
                with_settings(
                    Command::new("check-config").about("Show every setting and where it came from"),
                ),
                healthcheck,
                status::command(),
                doctor::command(with_few),
                completions,
            ])
            .subcommands(backup::commands(with_few))
            .subcommands(client::commands()),
    )
}

fn serve(matches: &ArgMatches) -> linchpin::Result<ExitCode> {
    let config = load(matches)?;
    let report = runtime()?.block_on(async {
        let report = serve::run(config).await;
        serve::tell_left().await;
        report
    })?;
    tracing::info!("{report}");
    Ok(ExitCode::from(report.exit_code()))
}

/// Runs a command that looks at the database.
fn with_config<F: Future<Output = linchpin::Result<ExitCode>>>(
    matches: &ArgMatches,
    command: impl FnOnce(Config) -> F,
) -> linchpin::Result<ExitCode> {
    runtime()?.block_on(command(load(matches)?))
}

fn migrate(matches: &ArgMatches) -> linchpin::Result<ExitCode> {
    let config = load(matches)?;
    runtime()?.block_on(async {
        let ctx = linchpin::Context::root();
        let database = store::keys::open_sealed(&ctx, &config.database, &config.vault).await?;
        database.close(&ctx).await
    })?;
    println!("{} is up to date (schema {})", config.database.display(), store::schema_version());
    Ok(ExitCode::SUCCESS)
}

fn check_config(matches: &ArgMatches) -> linchpin::Result<ExitCode> {
    let sources = sources(matches);
    println!("{}", table(&Config::effective(&sources)?));
    Config::load(&sources)?;
    println!("\nall settings are valid; variables begin with {PREFIX}_");
    Ok(ExitCode::SUCCESS)
}

/// Asks a Relay for what a noun and a verb stand for.
fn ask(noun: &str, matches: &ArgMatches) -> linchpin::Result<ExitCode> {
    let (verb, matches) = client::find(noun, matches)
        .ok_or_else(|| Error::new(Kind::InvalidArgument, format!("no command `{noun}`")))?;
    show(client::run(verb, &matches))
}

/// Runs a command that shows something, and tells why it has not.
fn show(command: impl Future<Output = Result<ExitCode, Failure>>) -> linchpin::Result<ExitCode> {
    Ok(runtime()?.block_on(command).unwrap_or_else(|failure| failure.tell()))
}

fn healthcheck(matches: &ArgMatches) -> linchpin::Result<ExitCode> {
    let api = settings::operators(matches.get_one::<String>("url"), matches)?;
    let answer = runtime()?.block_on(api.ask(&Context::root(), &Call::get(["ready"])));
    let Err(failure) = answer else { return Ok(ExitCode::SUCCESS) };
    let told = failure.tell();
    // To who looks after containers, only 0 and 1 say how it is.
    Ok(if matches!(failure, Failure::Refused(..)) { ExitCode::FAILURE } else { told })
}

fn completions(matches: &ArgMatches) -> ExitCode {
    let shell = *matches.get_one::<Shell>("shell").expect("it is required");
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command(), "relay", &mut text);
    let written = output::print(&String::from_utf8_lossy(&text));
    written.map_or_else(|failure| failure.tell(), |()| ExitCode::SUCCESS)
}

fn listen(matches: &ArgMatches) -> linchpin::Result<ExitCode> {
    let config = load(matches)?;
    let (url, token) = settings::relay(matches, || Ok(config))?;
    let address = *matches.get_one::<SocketAddr>("address").expect("has a default");
    let answers = matches.get_many::<Answer>("answers").into_iter().flatten().copied().collect();
    runtime()?.block_on(listen::run(address, listen::Target { url, token }, answers))?;
    Ok(ExitCode::SUCCESS)
}

/// One worker a core, less one for the thread that writes: where both want the same core, every hand-over between them
/// costs a switch, which at a steady load is a tenth of all processor time.
fn runtime() -> linchpin::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.saturating_sub(1).max(1))
        .enable_all()
        .build()
        .map_err(|fault| Error::new(Kind::Internal, fault).context("start the runtime"))
}
