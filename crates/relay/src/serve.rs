//! How the service is put together, started and stopped.

use std::net::SocketAddr;
use std::sync::Arc;
#[cfg(feature = "planted-faults")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use linchpin::context::Context;
use linchpin::error::{ResultExt as _, panic_hook};
use linchpin::task::watch::{self, Watch};
use linchpin::task::{self, Group, Ticker};
use linchpin::time::Timestamp;
use linchpin::{Error, Kind};
use linchpin_data::idempotency;
use linchpin_data::sqlite::{Database, Tx, Writer};
use linchpin_http::client::Client;
use linchpin_http::lifecycle::{self, Lifecycle, Report};
use linchpin_http::middleware::{self, StackOptions};
use linchpin_http::notify::Notifier;
use linchpin_http::server::{self, Server};
use linchpin_security::jwt::{Issuer, Keys, Verifier};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::admin::{self, AdminState};
use crate::api::auth::Tokens;
use crate::api::{self, ApiState};
use crate::background::{Background, sweep};
use crate::cli;
use crate::config::{Config, Mode};
use crate::deliver::{Clock, HealthSettings, Patience, PolicySettings, Seed, Sender, Settings};
use crate::ids::DEFAULT_ORG;
use crate::listen::DEMO_APP;
use crate::store::revocation::{self, Revocations};
use crate::store::{self, Store};

/// From the end of the drain to the hard stop.
const CLEAN_UP: Duration = Duration::from_secs(5);
const PRUNE_EVERY: Duration = Duration::from_mins(1);
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// So many records go in one submission: pruning never holds up a write for long.
const PRUNE_BATCH: u32 = 1_000;
/// How long background tasks are kept after their end.
const TASKS_KEPT: Duration = Duration::from_hours(90 * 24);

/// A task this old was forgotten, unless it is one of those [`FOR_LIFE`].
const OVERDUE: Duration = Duration::from_hours(1);
/// Tasks that are meant to live as long as the service, or as their peer likes.
const FOR_LIFE: [&str; 19] = [
    "api",
    "background",
    "background task",
    "claim",
    "client connection",
    "clock",
    "connection",
    "dispatch",
    "find",
    "lay down",
    "metrics",
    "operators",
    "prune",
    "records",
    "signals",
    "sqlite-reader",
    "sqlite-writer",
    "sweep",
    "task watch",
];
/// So long what was aborted at the end may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// The most connections of clients that are open at once ...
const CONNECTIONS: u64 = 10_000;
/// ... the fewest that make sense ...
const FEWEST_CONNECTIONS: u64 = 16;
/// ... and the files for everything else, deliveries apart: the database, its readers, operators, look-ups.
const OTHER_FILES: u64 = 128;

/// Runs the service until a signal ends it, and says how it ended.
///
/// # Errors
///
/// What kept it from starting: an address that is taken, a database in use, a schema that is newer.
pub async fn run(config: Config) -> linchpin::Result<Report> {
    // First, because components resolve their metrics when they are built.
    let metrics = admin::install_metrics()?;
    panic_hook::install();
    let _watch =
        Watch::start(watch::Options::default().overdue_after(OVERDUE).long_lived(FOR_LIFE))?;
    let mut phases = lifecycle::Options::default()
        .pre_drain(config.pre_drain)
        .drain(config.drain_timeout)
        .hard_stop(config.drain_timeout + CLEAN_UP);
    if let Some(address) = std::env::var_os("NOTIFY_SOCKET") {
        phases = phases
            .notify(Notifier::connect(&address).kind(Kind::Internal).context("NOTIFY_SOCKET")?);
    }
    let life = Lifecycle::new(phases)?;
    let _signals = life.signals()?;

    let connections = connections(config.delivery_concurrency)?;
    let opened = store::keys::open_sealed(life.work(), &config.database, &config.vault);
    let database = opened.await?;
    let seed = seed(&config)?;
    let queue = seed.queue().clone();
    let api = Server::bind(config.listen).await?;
    let operators = Server::bind(config.admin_listen).await?;

    let client = Client::new(config.egress.options(config.addresses.clone()))?;
    let sender = Sender::new(client, config.request_timeout, config.webhook_headers);
    let (events, policies) = (seed.events().clone(), seed.policies().clone());
    let dispatcher = seed.start(database.writer().clone(), sender, &life).await?;
    let _upkeep = task::spawn("metrics", upkeep(life.accepting().clone(), metrics.clone()));
    let revocations = revocations(&life, &database).await?;
    let pruning = prune(life.accepting().clone(), database.writer().clone(), revocations.clone());
    let _pruning = task::spawn("prune", pruning);
    // Hooks run in reverse: deliveries come to rest before those who listen are told that it is over, and before the
    // database is closed.
    close_at_the_end(&life, &database);
    let told = events.clone();
    life.on_stop("events", |_| async move {
        told.close();
        format!("{} listened", told.listeners())
    });
    life.on_stop(
        "deliveries",
        |_| async move { format!("{} given back", dispatcher.drain().await) },
    );

    let store = Store::new(&database, queue.clone())
        .endpoints_per_application(config.endpoints_per_application);
    let sweep = sweep::run(life.accepting().clone(), store.clone(), config.message_retention);
    let _sweeping = task::spawn("sweep", sweep);
    let background = Background::start(store.clone(), life.accepting())?;
    life.on_stop("background tasks", |ctx| async move {
        format!("{} cut off", background.drain(&ctx).await)
    });

    announce(&config, api.local_addr(), operators.local_addr())?;
    let mut servers = Group::new(&Context::root());
    let rate_limit = api::rate_limit(config.api_rate)?;
    let gate = api::Gate::new()?;
    let state = state(&config, api.local_addr(), store.clone(), revocations);
    let routes = routes(ApiState { rate_limit: rate_limit.clone(), ..state }, &life, &gate);
    // Operators are answered until the very end: that is how they see that the service is not ready any more.
    let watched = Lifecycle::new(lifecycle::Options::default())?;
    let (one, other) = (life.clone(), watched.clone());
    let bounds = config.clients.bounds().max_connections(connections);
    #[cfg(feature = "planted-faults")]
    let bounds = bounds.hasty(HASTY_CLOSE.load(Ordering::Relaxed));
    servers.spawn("api", |_| async move { api.serve(routes).options(bounds).run(&one).await });
    let admin = admin::router(AdminState {
        life: life.clone(),
        database,
        queue,
        store,
        events,
        policies,
        rate_limit,
        gate,
        metrics,
    });
    servers.spawn("operators", |_| async move { operators.serve(admin).run(&other).await });
    life.ready();
    tracing::info!(mode = ?config.mode, database = %config.database.display(), "ready");
    let ended = async {
        let report = life.finished().await;
        watched.force();
        watched.finished().await;
        report
    };
    let (report, served) = tokio::join!(ended, servers.join());
    served?;
    Ok(report)
}

/// Has the API end as a server does that nobody has thought about: the fault that the rolling drill must find.
#[cfg(feature = "planted-faults")]
pub fn plant_hasty_close() {
    HASTY_CLOSE.store(true, Ordering::Relaxed);
}

#[cfg(feature = "planted-faults")]
static HASTY_CLOSE: AtomicBool = AtomicBool::new(false);

/// How many connections of clients there are files for, when each delivery has one. Clients wait in the kernel's queue for
/// a file; a delivery that has none is a failed attempt, of which the receiver knows nothing.
fn connections(deliveries: usize) -> linchpin::Result<usize> {
    let files = server::raise_open_files().kind(Kind::Internal)?;
    let kept = OTHER_FILES + deliveries as u64;
    let connections = files.saturating_sub(kept).min(CONNECTIONS);
    if connections < FEWEST_CONNECTIONS {
        let least = files_needed(deliveries);
        let why = format!(
            "at most {files} files may be open, and {deliveries} deliveries at a time need {least}: raise the limit \
             (`ulimit -Hn`, `LimitNOFILE=`), or lower `delivery-concurrency`"
        );
        return Err(Error::new(Kind::InvalidArgument, why));
    }
    Ok(connections as usize)
}

/// How many files the service has open at least, when it makes so many deliveries at a time.
pub(crate) fn files_needed(deliveries: usize) -> u64 {
    OTHER_FILES + deliveries as u64 + FEWEST_CONNECTIONS
}

/// Deliveries, which do not run yet.
fn seed(config: &Config) -> linchpin::Result<Seed> {
    Seed::new(Settings {
        concurrency: config.delivery_concurrency,
        per_host: config.delivery_per_host,
        queue: config.delivery_queue,
        schedule: config.retry_schedule.clone(),
        health: HealthSettings {
            disable_after: config.endpoint_disable_after,
            gone_disables: config.endpoint_disable_gone,
        },
        policies: PolicySettings {
            request_timeout: config.request_timeout,
            open_for: config.breaker_open_for,
            max_open_for: config.breaker_max_open_for,
        },
        patience: Patience::default(),
        vault: config.vault.clone(),
        clock: Clock::default(),
    })
}

async fn revocations(life: &Lifecycle, database: &Database) -> linchpin::Result<Revocations> {
    let revocations = Revocations::new(database);
    revocations.load(life.work()).await?;
    Ok(revocations)
}

fn state(config: &Config, api: SocketAddr, store: Store, revocations: Revocations) -> ApiState {
    ApiState {
        store,
        tokens: Arc::new(tokens(config, revocations)),
        portal_url: portal_url(config, api),
        addresses: Arc::new(config.addresses.clone()),
        bodies: api::Bodies::default(),
        rate_limit: None,
    }
}

fn tokens(config: &Config, revocations: Revocations) -> Tokens {
    let keys = Keys::new(config.jwt_algorithm, config.jwt_secret.expose().as_bytes());
    let old = config.jwt_old_secrets.iter();
    let verifier =
        old.fold(Verifier::new(&keys), |verifier, old| verifier.also(old.expose().as_bytes()));
    Tokens { issuer: Issuer::new(&keys), verifier, revocations }
}

/// Where links into the portal lead: to ours, unless there is a setting that says otherwise.
fn portal_url(config: &Config, api: SocketAddr) -> Arc<str> {
    match &config.portal_url {
        // What the page loads is named beside it, and not below it.
        Some(url) => url.as_str().trim_end_matches('/').into(),
        None => format!("http://{api}/portal").into(),
    }
}

fn routes(state: ApiState, life: &Lifecycle, gate: &api::Gate) -> axum::Router {
    let options = StackOptions::default()
        .on_error(api::error::page)
        .body_limit(api::BODY_LIMIT)
        .admission(gate.admission());
    api::normalised(middleware::stack(api::router(state), life.work(), &options))
}

fn close_at_the_end(life: &Lifecycle, database: &Database) {
    let database = database.clone();
    life.on_stop("database", |ctx| async move {
        match database.close(&ctx).await {
            Ok(()) => "closed".to_owned(),
            Err(error) => format!("not closed: {error}"),
        }
    });
}

type Prune = fn(&mut Tx<'_>) -> linchpin::Result<usize>;

/// What is removed when its time is over.
const PRUNES: [(&str, Prune); 3] = [
    ("idempotency records", |tx| {
        idempotency::prune(tx, Timestamp::now() - idempotency::TTL, PRUNE_BATCH)
    }),
    ("background tasks", |tx| store::prune_tasks(tx, Timestamp::now() - TASKS_KEPT, PRUNE_BATCH)),
    ("revoked tokens", |tx| revocation::prune(tx, Timestamp::now(), PRUNE_BATCH)),
];

/// Removes what has expired, a batch at a time.
async fn prune(accepting: Context, writer: Writer, revocations: Revocations) {
    let mut ticker = Ticker::every(PRUNE_EVERY).expect("a period that is not zero");
    while ticker.tick(&accepting).await.is_ok() {
        revocations.forget(Timestamp::now());
        for (what, prune) in PRUNES {
            loop {
                match writer.submit(&accepting, prune).await {
                    Ok(removed) if removed < PRUNE_BATCH as usize => break,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(error = %error.report(), "cannot prune {what}");
                        break;
                    }
                }
            }
        }
    }
}

/// Counts what histograms have been told into their buckets: until then each sample is kept, and nobody may ever scrape.
async fn upkeep(accepting: Context, metrics: PrometheusHandle) {
    let mut ticker = Ticker::every(UPKEEP_EVERY).expect("a period that is not zero");
    while ticker.tick(&accepting).await.is_ok() {
        metrics.run_upkeep();
    }
}

/// Logs which tasks outlived the service, by name and line: each is a fault of ours, and the tests look for it.
pub async fn tell_left() {
    for task in task::left_within(GONE_WITHIN, |_| true).await {
        tracing::error!(%task, age = ?task.age, "a task outlived the service");
    }
}

/// Tells a person how to use what was started, and a program where it listens.
fn announce(config: &Config, api: SocketAddr, operators: SocketAddr) -> linchpin::Result<()> {
    println!("api http://{api}");
    println!("admin http://{operators}");
    if config.mode == Mode::Production {
        return Ok(());
    }
    let org = DEFAULT_ORG.parse().expect("the default organisation is an id");
    let token = cli::issue(config, org, Duration::from_hours(3650 * 24))?;
    println!("token {token}");
    println!(
        r#"
Development mode: loopback only, a secret that everybody knows, deliveries to loopback allowed.

See a delivery with a receiver in a second terminal:

  relay listen --answers fail,ok        (cargo run --release -- listen --answers fail,ok)

and send it a message:

  curl http://{api}/api/v1/app/{DEMO_APP}/msg \
    -H 'authorization: Bearer {token}' -H 'content-type: application/json' \
    -d '{{"eventType":"demo.hello","payload":{{"hello":"world"}},"application":{{"name":"Demo","uid":"{DEMO_APP}"}}}}'
"#
    );
    Ok(())
}
