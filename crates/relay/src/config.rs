//! Every setting: declared once, taken from flag, environment and file in that order, checked together.

mod clients;
mod egress;
mod settings;
mod tokens;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use linchpin::resilience::BadOptions;
use linchpin::resilience::retry::{Jitter, Schedule};
use linchpin_http::client::AddressPolicy;
use linchpin_security::config::{Effective, Fault, Faults, Loader};
use linchpin_security::jwt::Algorithm;
use linchpin_security::secret::SecretString;
use linchpin_security::webhook::Family;
use url::Url;

pub use self::clients::Clients;
pub use self::egress::Egress;
pub use self::settings::SETTINGS;
use crate::logging::Format;
use crate::vault::Vault;

/// The prefix of environment variables.
pub const PREFIX: &str = "RELAY";

/// What the commands of the client read, beside settings: no setting is meant by these.
const CLIENT: [&str; 3] = ["RELAY_URL", "RELAY_TOKEN", "RELAY_ADMIN_URL"];

/// The secret of development mode. Known to everybody, so production mode refuses it.
pub const DEVELOPMENT_SECRET: &str = "relay-development-secret-known-to-everybody";

/// The key of development mode. Known to everybody, so production mode refuses it.
pub const DEVELOPMENT_KEY: &str = "dev:cmVsYXkga2V5IHRoYXQgZXZlcnlib2R5IGtub3dzLi4=";

/// What `encryption-keys` should be.
const KEYS: &str =
    "keys such as `relay keys new` prints, with commas between, the current one first";

/// One host has one in so many of the places for attempts, unless that is set.
const HOST_PART: usize = 4;

/// How much is added to each delay of the retry schedule, at most.
const RETRY_JITTER: f64 = 0.2;

/// Where the service runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// On a developer's machine: binds loopback only, delivers to loopback too, has a known secret.
    Development,
    /// For others: refuses a known or weak secret, delivers to public addresses only.
    Production,
}

/// All settings, checked.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "SETTINGS says what each is")]
pub struct Config {
    pub mode: Mode,
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    pub database: PathBuf,
    pub jwt_secret: SecretString,
    pub jwt_old_secrets: Vec<SecretString>,
    pub jwt_algorithm: Algorithm,
    pub vault: Vault,
    pub webhook_headers: Family,
    pub retry_schedule: Schedule,
    pub endpoint_disable_after: Option<Duration>,
    pub endpoint_disable_gone: bool,
    pub request_timeout: Duration,
    pub delivery_concurrency: usize,
    pub delivery_per_host: usize,
    pub delivery_queue: usize,
    pub endpoints_per_application: usize,
    pub breaker_open_for: Duration,
    pub breaker_max_open_for: Duration,
    pub api_rate: u32,
    pub portal_url: Option<Url>,
    pub clients: Clients,
    pub message_retention: Duration,
    pub addresses: AddressPolicy,
    pub egress: Egress,
    pub pre_drain: Duration,
    pub drain_timeout: Duration,
    pub log_format: Format,
    pub log_level: String,
}

/// Where settings come from, besides the file that they name.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Flags that were given: the key and the value.
    pub flags: BTreeMap<String, String>,
    /// The environment.
    pub variables: BTreeMap<String, String>,
}

// ===== impl Config =====

impl Config {
    /// Reads the file that `sources` name, takes every setting and checks them.
    ///
    /// # Errors
    ///
    /// All that is wrong, at once.
    pub fn load(sources: &Sources) -> Result<Self, Faults> {
        let mut loader = loader(sources)?;
        let config = Self::take(&mut loader);
        loader.finish()?;
        Ok(config?)
    }

    /// Every setting in force and its source, secrets hidden, whether or not they fit together.
    ///
    /// # Errors
    ///
    /// If the file that is named cannot be read.
    pub fn effective(sources: &Sources) -> Result<Vec<Effective>, Faults> {
        Ok(loader(sources)?.effective())
    }

    /// Takes everything before the first fault ends it, so that all faults are found.
    fn take(loader: &mut Loader) -> Result<Self, Fault> {
        let _file: Result<PathBuf, _> = loader.take("config");
        let mode = loader.take("mode");
        let listen = loader.take("listen");
        let admin_listen = loader.take("admin-listen");
        let database = loader.take("database");
        let jwt_secret = loader.take("jwt-secret");
        let jwt_old_secrets = loader.take("jwt-old-secrets");
        let jwt_algorithm = loader.take("jwt-algorithm");
        let vault = vault(loader);
        let webhook_headers = loader.take("webhook-headers");
        let retry_schedule = schedule(loader);
        let endpoint_disable_after = loader.take("endpoint-disable-after");
        let endpoint_disable_gone = loader.take("endpoint-disable-gone");
        let request_timeout = positive(loader, "request-timeout");
        let delivery_concurrency = at_least_one(loader, "delivery-concurrency");
        let delivery_per_host = rate(loader, "delivery-per-host");
        let delivery_queue = at_least_one(loader, "delivery-queue");
        let endpoints_per_application = at_least_one(loader, "endpoints-per-application");
        let breaker_open_for = positive(loader, "breaker-open-for");
        let breaker_max_open_for = positive(loader, "breaker-max-open-for");
        let api_rate = rate(loader, "api-rate");
        let portal_url = tokens::portal(loader);
        let clients = Clients::take(loader);
        let message_retention = retention(loader);
        let subnets = loader.take("allowed-subnets");
        let ports = loader.take("allowed-ports");
        let egress = Egress::take(loader);
        let pre_drain = loader.take("pre-drain");
        let drain_timeout = loader.take("drain-timeout");
        let log_format = loader.take("log-format");
        let log_level = loader.take("log-level");

        let mode = mode?;
        let (vault, is_known_key) = vault?;
        let delivery_concurrency: usize = delivery_concurrency?;
        let config = Self {
            mode,
            listen: listen?,
            admin_listen: admin_listen?,
            database: database?,
            jwt_secret: jwt_secret?,
            jwt_old_secrets: jwt_old_secrets?,
            jwt_algorithm: jwt_algorithm?,
            vault,
            webhook_headers: webhook_headers?,
            retry_schedule: retry_schedule?,
            endpoint_disable_after: Some(endpoint_disable_after?)
                .filter(|after: &Duration| !after.is_zero()),
            endpoint_disable_gone: endpoint_disable_gone?,
            request_timeout: request_timeout?,
            delivery_per_host: match delivery_per_host? {
                0 => (delivery_concurrency / HOST_PART).max(1),
                number => number as usize,
            },
            delivery_concurrency,
            delivery_queue: delivery_queue?,
            endpoints_per_application: endpoints_per_application?,
            breaker_open_for: breaker_open_for?,
            breaker_max_open_for: breaker_max_open_for?,
            api_rate: api_rate?,
            portal_url: portal_url?,
            clients: clients?,
            message_retention: message_retention?,
            addresses: addresses(loader, mode, subnets?, ports?)?,
            egress: egress?,
            pre_drain: pre_drain?,
            drain_timeout: drain_timeout?,
            log_format: log_format?,
            log_level: log_level?,
        };
        config.check(loader, is_known_key)?;
        Ok(config)
    }

    /// What only shows when settings are held against each other.
    fn check(&self, loader: &mut Loader, is_known_key: bool) -> Result<(), Fault> {
        let mut result = Ok(());
        if self.pre_drain > self.drain_timeout {
            result = Err(loader.reject(
                "pre-drain",
                "it is longer than drain-timeout",
                "a time within drain-timeout",
            ));
        }
        let longest = Duration::from_hours(24);
        if self.breaker_open_for > self.breaker_max_open_for || self.breaker_max_open_for > longest
        {
            result = Err(loader.reject(
                "breaker-max-open-for",
                "it is shorter than breaker-open-for, or longer than a day",
                "a time from breaker-open-for to 24h",
            ));
        }
        match self.mode {
            Mode::Development => {
                for (key, addr) in [("listen", self.listen), ("admin-listen", self.admin_listen)] {
                    if !addr.ip().is_loopback() {
                        result = Err(loader.reject(
                            key,
                            "development mode has a secret that everybody knows",
                            "a loopback address such as 127.0.0.1:8071, or mode production",
                        ));
                    }
                }
            }
            Mode::Production => {
                if is_known_key {
                    let why = "there is the development key, which everybody knows";
                    result = Err(loader.reject("encryption-keys", why, KEYS));
                }
                let old = self.jwt_old_secrets.iter().map(|secret| ("jwt-old-secrets", secret));
                for (key, secret) in old.chain([("jwt-secret", &self.jwt_secret)]) {
                    if let Some(why) = tokens::weakness(secret) {
                        result = Err(loader.reject(
                            key,
                            why,
                            "32 or more random bytes, such as `openssl rand -base64 32` prints",
                        ));
                    }
                }
            }
        }
        result
    }
}

impl Sources {
    /// The process's environment under these flags.
    #[must_use]
    pub fn with_environment(flags: BTreeMap<String, String>) -> Self {
        let ours = |name: &str| name.starts_with(PREFIX) && !CLIENT.contains(&name);
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| ours(name))
            .collect();
        Self { flags, variables }
    }

    /// The file to read and whether it must exist.
    fn file(&self) -> (PathBuf, bool) {
        let named = self.flags.get("config").or_else(|| self.variables.get("RELAY_CONFIG"));
        match named.filter(|path| !path.is_empty()) {
            Some(path) => (path.into(), true),
            None => ("relay.toml".into(), false),
        }
    }
}

/// A variable of the client, unless it is empty.
pub(crate) fn client_variable(name: &'static str) -> Option<String> {
    debug_assert!(CLIENT.contains(&name), "{name} would be taken for a setting");
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn loader(sources: &Sources) -> Result<Loader, Faults> {
    let mut loader = Loader::new(PREFIX, SETTINGS);
    loader.environment(&sources.variables);
    loader.flags(&sources.flags);
    let (path, must_exist) = sources.file();
    match fs::read_to_string(&path) {
        Ok(text) => loader.file(&path, &text),
        Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => {}
        Err(error) => {
            let problem = format!("{} cannot be read: {error}", path.display());
            return Err(loader.reject("config", problem, "a TOML file").into());
        }
    }
    secrets_of_files(&mut loader);
    Ok(loader)
}

/// The keys, and whether the one of development is among them.
fn vault(loader: &mut Loader) -> Result<(Vault, bool), Fault> {
    let keys: SecretString = loader.take("encryption-keys")?;
    let (_, known) = DEVELOPMENT_KEY.split_once(':').expect("an id and a key");
    let is_known = keys.expose().split(',').any(|key| key.ends_with(known));
    let vault = Vault::parse(keys.expose())
        .map_err(|bad| loader.reject("encryption-keys", bad.to_string(), KEYS));
    let kind = loader.take("default-signature-type")?;
    Ok((vault?.making(kind), is_known))
}

/// Reads the secrets that stand in files of their own: `KEY-file` says where the setting KEY is.
fn secrets_of_files(loader: &mut Loader) {
    for setting in SETTINGS.iter().filter(|setting| setting.is_secret()) {
        let key = format!("{}-file", setting.key());
        let Ok(Some(path)) = loader.take::<Option<PathBuf>>(&key) else { continue };
        match fs::read_to_string(&path) {
            Ok(text) => loader.value_file(setting.key(), &path, &text),
            Err(error) => {
                let problem = format!("{} cannot be read: {error}", path.display());
                loader.reject(&key, problem, "a file that holds the secret alone");
            }
        }
    }
}

fn schedule(loader: &mut Loader) -> Result<Schedule, Fault> {
    let delays: Vec<Duration> = loader.take("retry-schedule")?;
    retry_schedule(delays)
        .map_err(|bad| loader.reject("retry-schedule", bad.to_string(), "delays of up to a year"))
}

/// These delays, as deliveries wait for their next attempt.
pub(crate) fn retry_schedule(delays: Vec<Duration>) -> Result<Schedule, BadOptions> {
    Schedule::new(delays).and_then(|schedule| schedule.jitter(Jitter::Added(RETRY_JITTER)))
}

fn positive(loader: &mut Loader, key: &str) -> Result<Duration, Fault> {
    let duration: Duration = loader.take(key)?;
    if duration.is_zero() {
        return Err(loader.reject(key, "it is zero", "a time such as 15s"));
    }
    Ok(duration)
}

fn retention(loader: &mut Loader) -> Result<Duration, Fault> {
    let duration: Duration = loader.take("message-retention")?;
    if duration < Duration::from_hours(24) {
        return Err(loader.reject("message-retention", "it is too short", "a time from 1d on"));
    }
    Ok(duration)
}

fn at_least_one(loader: &mut Loader, key: &str) -> Result<usize, Fault> {
    const MOST: usize = 1_000_000;
    match loader.take(key)? {
        number @ 1..=MOST => Ok(number),
        _ => Err(loader.reject(key, "it is out of range", "a number from 1 to 1000000")),
    }
}

fn rate(loader: &mut Loader, key: &str) -> Result<u32, Fault> {
    const MOST: u32 = 1_000_000;
    match loader.take(key)? {
        number @ 0..=MOST => Ok(number),
        _ => Err(loader.reject(key, "it is out of range", "a number from 0 to 1000000")),
    }
}

fn addresses(
    loader: &mut Loader,
    mode: Mode,
    subnets: Vec<String>,
    ports: Vec<u16>,
) -> Result<AddressPolicy, Fault> {
    let mut policy = AddressPolicy::public();
    if mode == Mode::Development {
        policy = policy.allow_loopback();
    }
    for port in ports {
        policy = policy.allow_port(port);
    }
    for subnet in subnets {
        let subnet = subnet.parse().map_err(|fault| {
            let problem = format!("`{subnet}`: {fault}");
            loader.reject("allowed-subnets", problem, "subnets such as 10.0.0.0/8, fd00::/8")
        })?;
        policy = policy.allow(subnet);
    }
    Ok(policy)
}
