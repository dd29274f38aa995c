//! What one application, one host and one fault of ours may cost the others.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use linchpin::resilience::retry::Schedule;
use linchpin::time::Instant;
use linchpin_http::client::{ClientOptions, Resolve};
use linchpin_testing::proxy::TestProxy;
use relay::deliver::{Patience, Settings};
use tokio::sync::Semaphore;

use crate::api::settings;
use crate::process::receiver::{Receiver, Reply};
use crate::sending::Sending;

const MS: Duration = Duration::from_millis(1);

// ===== one host =====

const PLACES: usize = 16;
const APPS: usize = 3;
const ENDPOINTS: usize = 4;
const MESSAGES: usize = 3;

#[linchpin_testing::test]
async fn many_endpoints_of_one_host_share_a_quarter() {
    let (crowded, quiet) = (Receiver::start().await, Receiver::start().await);
    let gate = Arc::new(Semaphore::new(0));
    let all = APPS * ENDPOINTS * MESSAGES;
    crowded.reply("/hook", vec![Reply::After(gate.clone()); all]);
    let settings = Settings { concurrency: PLACES, per_host: PLACES / 4, ..settings() };
    let sending = Sending::start(settings, ClientOptions::default()).await;
    for app in 0..APPS {
        sending.application(&format!("crowd{app}"), &vec![crowded.url("/hook"); ENDPOINTS]).await;
    }
    sending.application("quiet", &vec![quiet.url("/hook"); 2]).await;
    for _ in 0..MESSAGES {
        for app in 0..APPS {
            sending.message(&format!("crowd{app}")).await;
        }
    }
    crowded.wait("/hook", PLACES / 4).await;
    for sent in 1..=5 {
        sending.message("quiet").await;
        quiet.wait("/hook", 2 * sent).await;
    }
    assert_eq!(crowded.received("/hook").len(), PLACES / 4, "whosever they are");
    // A place that becomes free goes to the next, and at once.
    let begun = Instant::now();
    for answered in 1..=all {
        gate.add_permits(1);
        crowded.wait("/hook", (PLACES / 4 + answered).min(all)).await;
    }
    let took = begun.elapsed();
    // A hold alone ends after a second, which a few of them would wait for.
    assert!(took < MS * 50 * all as u32, "{took:?} for {all}");
    sending.done().await;
    assert_eq!(crowded.received("/hook").len(), all, "each once");
    sending.stop().await;
}

#[linchpin_testing::test]
async fn a_crowd_at_one_host_loses_nothing_and_leaves_nobody_waiting() {
    let receiver = Receiver::start().await;
    let settings = Settings { concurrency: 8, per_host: 2, ..settings() };
    let sending = Sending::start(settings, ClientOptions::default()).await;
    for app in 0..APPS {
        sending.application(&format!("crowd{app}"), &vec![receiver.url("/hook"); ENDPOINTS]).await;
    }
    for _ in 0..MESSAGES {
        for app in 0..APPS {
            sending.message(&format!("crowd{app}")).await;
        }
        // An edit lets a lane go that waits for its host.
        let edit = serde_json::json!({ "description": "other" });
        sending.api.patch("/app/crowd0/endpoint/0", edit).await.ok(200);
    }
    sending.done().await;
    assert_eq!(receiver.received("/hook").len(), APPS * ENDPOINTS * MESSAGES);
    sending.stop().await;
}

// ===== faults of ours =====

type Fault = fn() -> io::Error;

/// A resolver whose look-ups of a name fail so often, and then find the receiver.
struct Flawed {
    faults: Mutex<HashMap<String, VecDeque<Fault>>>,
    receiver: SocketAddr,
    asked: Arc<Mutex<usize>>,
}

impl Resolve for Flawed {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        _: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        *self.asked.lock().unwrap() += 1;
        let fault = self.faults.lock().unwrap().get_mut(host).and_then(VecDeque::pop_front);
        let found = fault.map_or(Ok(vec![self.receiver]), |fault| Err(fault()));
        Box::pin(async move { found })
    }
}

impl Flawed {
    fn new<'a>(
        receiver: &Receiver,
        faults: impl IntoIterator<Item = (&'a str, Vec<Fault>)>,
    ) -> Self {
        let faults = faults.into_iter().map(|(host, faults)| (host.to_owned(), faults.into()));
        let receiver = receiver.url("").trim_start_matches("http://").parse().unwrap();
        Self { faults: Mutex::new(faults.collect()), receiver, asked: Arc::default() }
    }
}

/// Faults by the name of the host that has them, and what is on record when the delivery was made.
const FAULTS: [(&str, Fault, &[i64]); 6] = [
    ("emfile.example", || io::Error::from_raw_os_error(24), &[200]),
    ("enfile.example", || io::Error::from_raw_os_error(23), &[200]),
    ("enobufs.example", || io::Error::from_raw_os_error(105), &[200]),
    ("eaddrnotavail.example", || io::Error::from_raw_os_error(99), &[200]),
    ("servfail.example", || io::ErrorKind::NetworkDown.into(), &[200]),
    ("nxdomain.example", || io::Error::other("Name or service not known"), &[0, 0, 200]),
];

/// Retries soon, and looks again soon where nothing was sent.
fn hasty(most: u32) -> Settings {
    let patience = Patience { first: MS * 20, longest: MS * 40, most };
    let schedule = Schedule::new([MS * 20, MS * 20]).unwrap();
    Settings { concurrency: 16, per_host: 16, schedule, patience, ..settings() }
}

#[linchpin_testing::test]
async fn a_fault_of_ours_is_not_charged() {
    let receiver = Receiver::start().await;
    let faults = FAULTS.map(|(host, fault, _)| (host, vec![fault, fault]));
    let client = ClientOptions::default().resolver(Flawed::new(&receiver, faults));
    let sending = Sending::start(hasty(3), client).await;
    for (host, _, recorded) in FAULTS {
        let name = host.trim_end_matches(".example");
        sending.application(name, &[format!("http://{host}:8080/{name}")]).await;
        let message = sending.message(name).await;
        receiver.wait(&format!("/{name}"), 1).await;
        sending.done().await;
        let attempts = sending.attempts(name, &message, recorded.len()).await;
        let codes: Vec<_> =
            attempts.iter().map(|one| one["responseStatusCode"].as_i64().unwrap()).collect();
        assert_eq!(codes, recorded, "{host}");
    }
    sending.stop().await;
}

#[linchpin_testing::test]
async fn a_fault_of_ours_that_lasts_is_on_record_and_nobody_is_charged_with_it() {
    let receiver = Receiver::start().await;
    let down: Fault = || io::ErrorKind::NetworkDown.into();
    let resolver = Flawed::new(&receiver, [("down.example", vec![down; 9])]);
    let asked = resolver.asked.clone();
    let client = ClientOptions::default().resolver(resolver);
    let sending = Sending::start(hasty(3), client).await;
    sending.application("shop", &["http://down.example:8080/".to_owned()]).await;
    let message = sending.message("shop").await;
    sending.done().await;
    let attempts = sending.attempts("shop", &message, 3).await;
    assert_eq!(attempts.len(), 3, "those of the schedule");
    for attempt in attempts {
        let response = attempt["response"].as_str().unwrap();
        assert!(response.contains("no call was made: cannot look up `down.example`"), "{response}");
    }
    assert_eq!(*asked.lock().unwrap(), 9, "three times for each");
    let failing = "SELECT count(*) FROM endpoint WHERE failing_since IS NOT NULL";
    assert_eq!(sending.api.number(failing).await, 0);
    sending.stop().await;
}

#[linchpin_testing::test]
async fn a_proxy_that_fails_for_long_is_on_record_and_nobody_is_charged_with_it() {
    let (receiver, proxy) = (Receiver::start().await, TestProxy::spawn().await);
    proxy.refuse(Some(407));
    let at = format!("http://relay:hidden@{}", proxy.addr());
    let client = ClientOptions::default().proxy(at.parse().unwrap());
    let sending = Sending::start(hasty(3), client).await;
    sending.application("shop", &[receiver.url("/hook")]).await;
    let message = sending.message("shop").await;
    sending.done().await;
    let attempts = sending.attempts("shop", &message, 3).await;
    assert_eq!(attempts.len(), 3, "those of the schedule");
    for attempt in attempts {
        assert_eq!(attempt["responseStatusCode"], 0);
        // Neither where it is nor what it said.
        assert_eq!(attempt["response"], "no call was made: the proxy of the service failed");
    }
    assert_eq!(proxy.asked().len(), 9, "three times for each");
    let failing = "SELECT count(*) FROM endpoint WHERE failing_since IS NOT NULL";
    assert_eq!(sending.api.number(failing).await, 0);
    sending.stop().await;
}
