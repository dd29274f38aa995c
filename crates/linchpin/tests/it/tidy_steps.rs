//! Every public wait is dropped by a test wherever it can be: the list of them, and of who does it.

use std::collections::BTreeSet;
use std::fs;

use crate::catalogue::root;
use crate::source::{files, relative};
use crate::waits::waits;

/// The crates that are held to it.
const CRATES: [&str; 3] = ["linchpin", "linchpin-data", "linchpin-http"];

/// The waits of a file below `crates/`, and the file below `tests/it/` of the same crate that drops them.
type Row = (&'static str, &'static [&'static str], &'static str);

/// A new wait gets a test with `linchpin_testing::steps::drop_at_each`, and a place here.
const DROPPED: &[Row] = &[
    ("linchpin-data/src/sqlite/database.rs", &["Database::close"], "steps.rs"),
    ("linchpin-data/src/sqlite/reader.rs", &["Reader::query"], "steps.rs"),
    (
        "linchpin-data/src/sqlite/writer.rs",
        &["Writer::empty_log", "Writer::submit", "Writer::submit_sized"],
        "steps.rs",
    ),
    ("linchpin-data/src/migrate/postgres.rs", &["Migrations::apply_to"], "rate/migrating.rs"),
    (
        "linchpin-data/src/counts/postgres.rs",
        &["Postgres::migrate", "Postgres::sweep"],
        "counts/postgres.rs",
    ),
    (
        "linchpin-data/src/rate/postgres.rs",
        &["Postgres::migrate", "Postgres::sweep"],
        "rate/migrating.rs",
    ),
    ("linchpin-http/src/client/mod.rs", &["Client::send"], "steps.rs"),
    ("linchpin-http/src/lifecycle.rs", &["Lifecycle::finished"], "steps.rs"),
    ("linchpin-http/src/server/mod.rs", &["Serve::run", "Server::bind"], "steps.rs"),
    (
        "linchpin/src/context/mod.rs",
        &["Context::checkpoint", "Context::run", "Context::sleep"],
        "steps.rs",
    ),
    ("linchpin/src/error/panic.rs", &["catch_async"], "steps.rs"),
    ("linchpin/src/resilience/adaptive/mod.rs", &["Adaptive::call"], "adaptive/life.rs"),
    ("linchpin/src/resilience/breaker/mod.rs", &["Breaker::call"], "breaker/life.rs"),
    ("linchpin/src/resilience/coalesce/mod.rs", &["Coalesce::call"], "coalesce.rs"),
    (
        "linchpin/src/resilience/fallback/mod.rs",
        &["Fallback::call", "Fallback::call_or"],
        "fallback/life.rs",
    ),
    ("linchpin/src/resilience/hedge/mod.rs", &["Hedge::call"], "hedge/life.rs"),
    ("linchpin/src/resilience/chaos/mod.rs", &["Chaos::attempt", "Chaos::call"], "chaos/life.rs"),
    ("linchpin/src/resilience/outlier/mod.rs", &["Balancer::call"], "outlier/life.rs"),
    ("linchpin/src/resilience/retry/mod.rs", &["Retry::call"], "retry/life.rs"),
    ("linchpin/src/resilience/throttle/mod.rs", &["Throttle::call"], "throttle/life.rs"),
    ("linchpin/src/resilience/stack/mod.rs", &["Stack::call"], "stack/life.rs"),
    (
        "linchpin/src/resilience/timeout/mod.rs",
        &["Timeout::call", "Timeout::wait"],
        "timeout/cases.rs",
    ),
    (
        "linchpin/src/resilience/timeout/mod.rs",
        &["Timeout::abandon", "Timeout::abandon_blocking"],
        "timeout/modes.rs",
    ),
    (
        "linchpin/src/resilience/bulkhead/at.rs",
        &["At::call", "At::enter", "At::enter_owned"],
        "bulkhead/life.rs",
    ),
    (
        "linchpin/src/resilience/bulkhead/mod.rs",
        &["Bulkhead::call", "Bulkhead::enter", "Bulkhead::enter_owned"],
        "bulkhead/life.rs",
    ),
    ("linchpin/src/resilience/shed/mod.rs", &["Shedder::call"], "shed/life.rs"),
    ("linchpin/src/resilience/limiter/keyed.rs", &["Keyed::acquire"], "limiter/life.rs"),
    (
        "linchpin/src/resilience/limiter/mod.rs",
        &["Limiter::acquire", "Limiter::call"],
        "limiter/life.rs",
    ),
    (
        "linchpin/src/resilience/limiter/shared/mod.rs",
        &["Shared::acquire", "Shared::call", "Shared::penalize", "Shared::reserve", "Shared::take"],
        "limiter/shared/outages.rs",
    ),
    ("linchpin/src/resilience/limiter/reservation.rs", &["Reservation::wait"], "limiter/life.rs"),
    (
        "linchpin/src/sync/bus/subscriber.rs",
        &["Subscriber::recv", "Subscriber::recv_many"],
        "bus/edges.rs",
    ),
    ("linchpin/src/sync/bus/topic.rs", &["Topic::publish"], "bus/line.rs"),
    (
        "linchpin/src/sync/batch/mod.rs",
        &["Batcher::close", "Batcher::push", "Batcher::submit"],
        "batch.rs",
    ),
    ("linchpin/src/sync/channel/lossy.rs", &["LossyReceiver::recv"], "channel.rs"),
    (
        "linchpin/src/sync/channel/waiting.rs",
        &["Receiver::recv", "Sender::closed", "Sender::reserve", "Sender::send"],
        "channel.rs",
    ),
    ("linchpin/src/sync/event/barrier.rs", &["Barrier::wait"], "event/barrier.rs"),
    ("linchpin/src/sync/event/flag.rs", &["Event::wait"], "event.rs"),
    ("linchpin/src/sync/event/latch.rs", &["Latch::wait"], "event.rs"),
    ("linchpin/src/sync/event/wait_group.rs", &["WaitGroup::wait"], "event.rs"),
    (
        "linchpin/src/sync/lanes/mod.rs",
        &["Lanes::next", "Lanes::surplus", "Lanes::unlisted", "Lanes::visits"],
        "lanes/waits.rs",
    ),
    ("linchpin/src/sync/lock/future.rs", &["checked"], "steps.rs"),
    ("linchpin/src/sync/once/cell.rs", &["Once::get_or_load"], "once.rs"),
    ("linchpin/src/sync/once/lazy.rs", &["Lazy::load"], "once.rs"),
    ("linchpin/src/sync/once/renew.rs", &["Renewable::get_or_load"], "once.rs"),
    ("linchpin/src/sync/select/mod.rs", &["biased", "fair", "maybe", "within"], "select.rs"),
    ("linchpin/src/sync/select/set.rs", &["Set::next"], "select.rs"),
    (
        "linchpin/src/sync/semaphore/mod.rs",
        &["At::acquire", "At::acquire_owned", "Semaphore::acquire", "Semaphore::acquire_owned"],
        "semaphore.rs",
    ),
    ("linchpin/src/sync/singleflight/mod.rs", &["Group::run"], "singleflight.rs"),
    ("linchpin/src/sync/watched.rs", &["Viewer::changed", "Viewer::wait_for"], "watched.rs"),
    ("linchpin/src/task/fan/settle.rs", &["all", "first", "gather", "quorum", "race"], "fan.rs"),
    (
        "linchpin/src/task/group/mod.rs",
        &["Group::join", "Group::settle", "Group::shutdown"],
        "group_life.rs",
    ),
    ("linchpin/src/task/mod.rs", &["Task::join", "Task::outcome"], "steps.rs"),
    ("linchpin/src/task/pace/mod.rs", &["Paced::next"], "pace.rs"),
    ("linchpin/src/task/pipeline/mod.rs", &["Pipeline::for_each"], "pipeline/ends.rs"),
    ("linchpin/src/task/pipeline/mod.rs", &["Pipeline::collect"], "steps.rs"),
    ("linchpin/src/task/pool/handle.rs", &["Handle::outcome", "Unstarted::run"], "pool/steps.rs"),
    ("linchpin/src/task/pool/handle.rs", &["Handle::join"], "pool/overflow.rs"),
    ("linchpin/src/task/pool/mod.rs", &["Pool::drain", "Pool::shutdown"], "pool/end.rs"),
    ("linchpin/src/task/pool/submit.rs", &["Pool::submit"], "pool/steps.rs"),
    ("linchpin/src/task/registry/mod.rs", &["left_within"], "steps.rs"),
    ("linchpin/src/task/scope.rs", &["Scope::join"], "scope.rs"),
    ("linchpin/src/task/scope.rs", &["Scope::settle"], "steps.rs"),
    ("linchpin/src/task/stream.rs", &["Yielder::give"], "stream.rs"),
    (
        "linchpin/src/task/supervisor/health.rs",
        &["Monitor::healthy", "Monitor::quiescent"],
        "supervisor_stop.rs",
    ),
    ("linchpin/src/task/supervisor/mod.rs", &["Supervisor::run"], "supervisor_stop.rs"),
    ("linchpin/src/task/ticker.rs", &["Ticker::tick"], "ticker.rs"),
    ("linchpin/src/task/timer.rs", &["Timer::wait"], "timer.rs"),
    ("linchpin/src/task/tracker.rs", &["Tracker::wait"], "steps.rs"),
];

/// Waits that a test drops without their being called by name: `middleware::stack` puts them around a handler, or the test.
const AROUND: &[Row] = &[
    ("linchpin-http/src/middleware/bulkhead.rs", &["bulkhead"], "bulkhead.rs"),
    ("linchpin-http/src/middleware/admission.rs", &["admission"], "admission.rs"),
    ("linchpin-http/src/middleware/catch_panic.rs", &["catch_panic"], "steps.rs"),
    ("linchpin-http/src/middleware/context.rs", &["ctx"], "steps.rs"),
    ("linchpin-http/src/middleware/observe.rs", &["observe"], "steps.rs"),
    ("linchpin-http/src/middleware/rate_limit.rs", &["rate_limit"], "steps.rs"),
    ("linchpin-http/src/middleware/request_id.rs", &["request_id"], "steps.rs"),
];

/// What a test that drops at each step says.
const HARNESS: [&str; 2] = ["drop_at_each(", "holds("];

#[test]
fn every_public_wait_is_dropped_wherever_it_can_be() {
    let mut found = BTreeSet::new();
    for package in CRATES {
        for (path, text) in files(&root().join("crates").join(package).join("src"), "rs") {
            let file = relative(&path);
            let file = file.strip_prefix("crates/").expect("a crate's file").to_owned();
            found.extend(waits(&text).into_iter().map(|wait| (file.clone(), wait.name)));
        }
    }
    let listed = DROPPED.iter().chain(AROUND).flat_map(|(file, waits, _)| {
        waits.iter().map(|wait| ((*file).to_owned(), (*wait).to_owned()))
    });
    let listed: BTreeSet<(String, String)> = listed.collect();
    let missing: Vec<_> = found.difference(&listed).collect();
    assert!(missing.is_empty(), "no test drops them at each step: {missing:#?}");
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "listed, but they wait no more: {gone:#?}");
}

#[test]
fn each_test_that_is_named_drops_what_it_is_named_for() {
    for (file, waits, test) in DROPPED {
        let (package, _) = file.split_once('/').expect("a crate");
        let path = root().join("crates").join(package).join("tests/it").join(test);
        let text = fs::read_to_string(&path).expect("a file of tests");
        assert!(HARNESS.iter().any(|said| text.contains(said)), "{test} drops nothing");
        for wait in *waits {
            let name = wait.rsplit("::").next().expect("a name");
            let calls = [format!("{name}("), format!("{name}::<")];
            assert!(calls.iter().any(|call| text.contains(call)), "{test} does not call {wait}");
        }
    }
}
