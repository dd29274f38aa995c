//! What operators see and do, on a listener of its own: `/live`, `/ready`, `/metrics`, `/events`, `/policies`,
//! `/components`, `/breakers/{endpoint}`, `/keys/rotate`.

mod components;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use linchpin::resilience::Snapshot;
use linchpin_data::sqlite::Database;
use linchpin_http::lifecycle::Lifecycle;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(crate) use self::components::{Component, Condition};
use crate::api::{Gate, RateLimited};
use crate::deliver::{Force, Policies, Queue};
use crate::events::{self, Events};
use crate::ids::EndpointId;
use crate::model::Empty;
use crate::store::Store;

/// What the admin routes look at.
#[derive(Clone, Debug)]
pub struct AdminState {
    /// Says whether the service is ready.
    pub life: Lifecycle,
    /// Says how large the write-ahead log is.
    pub database: Database,
    /// Says how old the oldest due delivery is, and how many are in memory.
    pub queue: Queue,
    /// Says which of its parts answer.
    pub store: Store,
    /// Tells what becomes of attempts.
    pub events: Events,
    /// What holds deliveries back.
    pub policies: Arc<Policies>,
    /// What holds requests back.
    pub rate_limit: Option<RateLimited>,
    /// What holds them back when there is too much to do.
    pub gate: Gate,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
}

/// Buckets for durations in seconds, from an `fsync` to a delivery that times out.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0];
/// Buckets for the number of submissions in a commit.
const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Collects metrics from here on. Components resolve their handles when they are built, so this comes first.
///
/// # Errors
///
/// If metrics are collected by somebody else already.
pub fn install_metrics() -> linchpin::Result<PrometheusHandle> {
    let internal = |fault| linchpin::Error::new(linchpin::Kind::Internal, fault);
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_size".into()), SIZES))
        .map_err(|fault| internal(fault.to_string()))?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|fault| internal(fault.to_string()))?;
    metrics::describe_gauge!(
        "relay_oldest_due_seconds",
        "age of the oldest delivery that is due and not yet attempted, but for those that a breaker or a pause holds back"
    );
    metrics::describe_gauge!("relay_event_listeners", "how many follow `/events`");
    metrics::describe_gauge!("relay_wal_bytes", "size of the write-ahead log");
    metrics::describe_gauge!(
        "relay_deliveries_in_memory",
        "deliveries waiting in memory or under way"
    );
    metrics::describe_gauge!(
        "relay_deliveries_in_memory_peak",
        "the most deliveries in memory since this was last read; at the size of the queue, deliveries wait in the database"
    );
    Ok(handle)
}

/// The admin routes.
pub fn router(state: AdminState) -> Router {
    Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(render))
        .route("/events", get(live))
        .route("/policies", get(policies))
        .route("/components", get(components::components))
        .route("/breakers/{endpoint}", post(force))
        .route("/keys/rotate", post(rotate_keys))
        .with_state(state)
}

async fn ready(State(state): State<AdminState>) -> Response {
    let not = |why: &str| {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response()
    };
    if !state.life.is_ready() {
        return not("starting or shutting down");
    }
    let answers = state.store.probe(state.life.work()).await;
    let silent: Vec<_> =
        answers.iter().filter(|(_, answer)| answer.is_err()).map(|(part, _)| *part).collect();
    if silent.is_empty() {
        return (StatusCode::OK, "ready\n").into_response();
    }
    not(&format!("no answer from {}", silent.join(", ")))
}

async fn render(State(state): State<AdminState>) -> Response {
    let oldest = state.queue.oldest_due().map_or(0.0, |age| age.as_secs_f64());
    metrics::gauge!("relay_oldest_due_seconds").set(oldest);
    if let Ok(bytes) = state.database.wal_bytes() {
        metrics::gauge!("relay_wal_bytes").set(bytes as f64);
    }
    let in_memory = state.queue.in_memory();
    metrics::gauge!("relay_deliveries_in_memory").set(in_memory.level);
    metrics::gauge!("relay_deliveries_in_memory_peak").set(in_memory.peak);
    metrics::gauge!("relay_event_listeners").set(state.events.listeners() as f64);
    state.metrics.run_upkeep();
    let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (text, state.metrics.render()).into_response()
}

/// What a listener wants.
#[derive(Deserialize)]
struct Wanted {
    /// A topic or a pattern; all there is, if none is named.
    #[serde(default = "everything")]
    topic: String,
}

fn everything() -> String {
    "**".to_owned()
}

async fn live(State(state): State<AdminState>, Query(wanted): Query<Wanted>) -> Response {
    match events::live(state.life.work().clone(), &state.events, &wanted.topic) {
        Ok(response) => response,
        Err(bad) => (StatusCode::BAD_REQUEST, format!("{bad}\n")).into_response(),
    }
}

/// Every breaker and limiter, by policy, name and key.
async fn policies(State(state): State<AdminState>) -> Json<Value> {
    let mut all = state.policies.snapshots();
    all.extend(state.rate_limit.iter().map(|limit| limit.limiter.snapshot()));
    all.extend(state.gate.snapshots());
    all.sort_by(|a, b| (a.policy, a.instance, &a.key).cmp(&(b.policy, b.instance, &b.key)));
    Json(json!({ "data": all.iter().map(shown).collect::<Vec<_>>() }))
}

fn shown(snapshot: &Snapshot) -> Value {
    let number = |(name, number): &(&str, f64)| ((*name).to_owned(), json!(number));
    json!({
        "policy": snapshot.policy,
        "instance": snapshot.instance,
        "key": snapshot.key.as_deref(),
        "state": snapshot.state,
        "numbers": snapshot.numbers.iter().map(number).collect::<Map<_, _>>(),
    })
}

/// What an operator wants. Only JSON says it, which no form of another site can send.
#[derive(Deserialize)]
struct Wish {
    state: Force,
}

async fn force(
    State(state): State<AdminState>,
    Path(endpoint): Path<String>,
    Json(wish): Json<Wish>,
) -> Response {
    let Ok(endpoint) = endpoint.parse::<EndpointId>() else {
        return (StatusCode::NOT_FOUND, "no id of an endpoint\n").into_response();
    };
    match state.policies.force(endpoint, wish.state) {
        Ok(snapshot) => {
            // What waited for it need not wait for the time that was told.
            state.queue.look_for(endpoint);
            tracing::warn!(%endpoint, to = ?wish.state, "an operator has set a breaker");
            Json(shown(&snapshot)).into_response()
        }
        Err(many) => (StatusCode::CONFLICT, format!("{many}\n")).into_response(),
    }
}

/// Seals everything with the first key that the service was started with.
async fn rotate_keys(State(state): State<AdminState>, Json(Empty {}): Json<Empty>) -> Response {
    match state.store.rotate_keys(state.life.work()).await {
        Ok(walked) => Json(walked).into_response(),
        Err(error) => {
            tracing::error!(error = %error.report(), "secrets are not all sealed anew");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            (status, "not all is sealed anew; the log says why\n").into_response()
        }
    }
}
