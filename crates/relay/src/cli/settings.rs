//! Settings as flags, and which Relay a command of the client asks.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Arg, ArgMatches};
use linchpin::time::Timestamp;
use linchpin::{Error, Kind};
use linchpin_security::config::Setting;
use linchpin_security::jwt::{Issuer, Keys};

use super::call::Api;
use crate::api::auth::Claims;
use crate::config::{Config, Mode, SETTINGS, Sources, client_variable as variable};
use crate::ids::{DEFAULT_ORG, OrgId};
use crate::logging;

/// What `-h` shows of the settings.
const FEW: [&str; 3] = ["config", "mode", "database"];
/// How long a token lives that is made for one command.
const ONE_COMMAND: Duration = Duration::from_hours(1);

/// The flags that say which Relay is asked.
pub(super) fn client(admin: bool) -> Vec<Arg> {
    let url = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("URL").help(help).help_heading("Which Relay")
    };
    let mut flags = vec![setting(&SETTINGS[0]).help_heading("Which Relay")];
    if admin {
        flags.push(url(
            "admin",
            "Its operators' listener [default: RELAY_ADMIN_URL, or the one set here]",
        ));
    } else {
        flags.push(url("relay", "Its API [default: RELAY_URL, or the one set here]"));
        flags.push(
            url("token", "Whom to ask as; a variable is safer, since others see arguments [default: RELAY_TOKEN, or made with the secret set here]")
                .value_name("TOKEN"),
        );
    }
    flags
}

/// The Relay that the flags, the variables or the settings here mean.
///
/// A token is made only for the Relay that is set here, or with the secret of development, which is none: no other host
/// gets to see one.
pub(super) fn target(admin: bool, matches: &ArgMatches) -> linchpin::Result<Api> {
    let flag = |name: &str| matches.get_one::<String>(name).cloned();
    if admin {
        return operators(flag("admin").as_ref(), matches);
    }
    let (url, token) = relay(matches, || Ok(Config::load(&here(matches))?))?;
    Api::new(&url, token)
}

/// The URL of the Relay that the flags, the variables or the settings here mean, and a token for it. The settings are loaded if
/// one of the two is not given.
pub(super) fn relay(
    matches: &ArgMatches,
    load: impl FnOnce() -> linchpin::Result<Config>,
) -> linchpin::Result<(String, String)> {
    let flag = |name: &str| matches.get_one::<String>(name).cloned();
    let url = flag("relay").or_else(|| variable("RELAY_URL"));
    let token = flag("token").or_else(|| variable("RELAY_TOKEN"));
    if let (Some(url), Some(token)) = (&url, &token) {
        return Ok((url.clone(), token.clone()));
    }
    let config = load()?;
    let token = match token {
        Some(token) => token,
        None if url.is_some() && config.mode != Mode::Development => {
            let why = "give the token of that Relay in RELAY_TOKEN or --token";
            return Err(Error::new(Kind::InvalidArgument, why));
        }
        None => {
            let org = DEFAULT_ORG.parse().expect("the default organisation is an id");
            issue(&config, org, ONE_COMMAND)?
        }
    };
    Ok((url.unwrap_or_else(|| format!("http://{}", config.listen)), token))
}

/// The operators' listener at `url`, of the variable, or of the settings here.
pub(super) fn operators(url: Option<&String>, matches: &ArgMatches) -> linchpin::Result<Api> {
    let url = match url.cloned().or_else(|| variable("RELAY_ADMIN_URL")) {
        Some(url) => url,
        None => format!("http://{}", Config::load(&here(matches))?.admin_listen),
    };
    Api::new(&url, String::new())
}

pub(super) fn setting(setting: &'static Setting) -> Arg {
    let default = match setting.default_text() {
        None | Some("") => String::new(),
        Some(_) if setting.is_secret() => " [default: the one of development]".to_owned(),
        Some(text) => format!(" [default: {text}]"),
    };
    Arg::new(setting.key())
        .long(setting.key())
        .help_heading("Settings")
        .value_name("VALUE")
        .help(format!("{}{default}", setting.help()))
}

/// All settings as flags, of which `-h` shows those that one gives at a command line; `--help` shows all.
pub(super) fn settings_but_few() -> impl Iterator<Item = Arg> {
    SETTINGS.iter().map(|one| setting(one).hide_short_help(!FEW.contains(&one.key())))
}

/// The settings among the flags that were given.
pub(super) fn sources(matches: &ArgMatches) -> Sources {
    among(SETTINGS, matches)
}

/// The settings of this place, for a command of the client: of its flags only `--config` is a setting. Others may have the
/// name of one and are about something else, such as the `--retry-schedule` of an endpoint.
fn here(matches: &ArgMatches) -> Sources {
    among(&SETTINGS[..1], matches)
}

fn among(settings: &[Setting], matches: &ArgMatches) -> Sources {
    let flags: BTreeMap<String, String> = settings
        .iter()
        .filter_map(|setting| {
            let value = matches.try_get_one::<String>(setting.key()).ok().flatten()?;
            Some((setting.key().to_owned(), value.clone()))
        })
        .collect();
    Sources::with_environment(flags)
}

pub(super) fn load(matches: &ArgMatches) -> linchpin::Result<Config> {
    let config = Config::load(&sources(matches))?;
    logging::init(config.log_format, &config.log_level).map_err(|fault| {
        Error::new(Kind::InvalidArgument, fault)
            .context("log-level: expected a filter such as info")
    })?;
    Ok(config)
}

/// An organisation's token, signed with the secret in force.
pub(crate) fn issue(config: &Config, org: OrgId, life: Duration) -> linchpin::Result<String> {
    let now = Timestamp::now();
    sign(config, &Claims::new(org, None, now, now + life))
}

/// Signs a token with the secret in force.
pub(super) fn sign(config: &Config, claims: &Claims) -> linchpin::Result<String> {
    let keys = Keys::new(config.jwt_algorithm, config.jwt_secret.expose().as_bytes());
    Issuer::new(&keys).issue(claims)
}
