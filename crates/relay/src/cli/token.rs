//! `relay token`: tokens without a Relay that runs.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use linchpin::time::Timestamp;
use linchpin::{Error, Kind, Result};
use linchpin_data::id::ParseError;
use linchpin_security::config::FromSetting as _;

use super::settings::sign;
use crate::api::auth::{Claims, Grant};
use crate::config::Config;
use crate::ids::{AppId, DEFAULT_ORG, OrgId};
use crate::model::access::{Capability, LONGEST, is_session, read_only};

pub(super) fn command(with_settings: impl Fn(Command) -> Command) -> Command {
    let of_an_app = |name: &'static str| Arg::new(name).long(name).requires("app");
    let list = |name: &'static str| of_an_app(name).value_name("LIST").value_delimiter(',');
    with_settings(
        Command::new("token").about("Print a bearer token for the API").args([
            Arg::new("org")
                .long("org")
                .default_value(DEFAULT_ORG)
                .help("The organisation it is for; any org_ id makes a tenant of its own"),
            Arg::new("app").long("app").help("Only this application's"),
            list("capabilities")
                .value_parser(|text: &str| text.parse::<Capability>())
                .help("What it may do, commas between [default: all that an application may]"),
            of_an_app("read-only")
                .action(ArgAction::SetTrue)
                .help("It changes nothing, and shows no secret but for ViewEndpointSecret"),
            list("flags").help("Feature flags it holds, commas between"),
            of_an_app("session").value_name("NAME").help("What `expire-all` may end it by"),
            Arg::new("life")
                .long("life")
                .help("How long it is valid [default: 3650d, with --app 28d, with --session 7d]"),
        ]),
    )
}

pub(super) fn run(matches: &ArgMatches, config: &Config) -> Result<ExitCode> {
    let wrong = |what: &'static str| {
        move |fault: ParseError| Error::new(Kind::InvalidArgument, fault).context(what)
    };
    let text = |name: &str| matches.get_one::<String>(name);
    let org: OrgId = text("org").map_or(DEFAULT_ORG, |org| org).parse().map_err(wrong("--org"))?;
    let app: Option<AppId> =
        text("app").map(|app| app.parse()).transpose().map_err(wrong("--app"))?;
    let grant = grant(matches)?;
    let life = life(text("life"), app.is_some(), grant.session.is_some())?;
    let now = Timestamp::now();
    println!("{}", sign(config, &Claims::new(org, app, now, now + life).with(grant))?);
    Ok(ExitCode::SUCCESS)
}

fn grant(matches: &ArgMatches) -> Result<Grant> {
    let mut capabilities: Option<BTreeSet<Capability>> =
        matches.get_many("capabilities").map(|held| held.copied().collect());
    if capabilities.as_ref().is_some_and(|held| !held.contains(&Capability::ViewBase)) {
        return Err(refused("--capabilities", "ViewBase must be among them"));
    }
    if matches.get_flag("read-only") {
        capabilities = Some(read_only(capabilities.as_ref()));
    }
    let session = matches.get_one::<String>("session").cloned();
    if session.as_ref().is_some_and(|session| !is_session(session)) {
        return Err(refused("--session", "it must be 1 to 256 bytes"));
    }
    let flags = matches.get_many::<String>("flags").into_iter().flatten().cloned().collect();
    Ok(Grant { capabilities, flags, session })
}

fn life(text: Option<&String>, is_of_app: bool, has_session: bool) -> Result<Duration> {
    let life = match text {
        Some(life) => Duration::from_text(life).map_err(|why| {
            refused("--life", format!("`{life}` {why}; expected {}", Duration::expected()))
        })?,
        None if has_session => LONGEST,
        None if is_of_app => Duration::from_hours(28 * 24),
        None => Duration::from_hours(3650 * 24),
    };
    if has_session && life > LONGEST {
        return Err(refused("--life", "a token with a session lives for 7d at most"));
    }
    Ok(life)
}

fn refused(flag: &'static str, why: impl Into<String>) -> Error {
    Error::new(Kind::InvalidArgument, why.into()).context(flag)
}
