//! Edits while deliveries are due: what waits in memory goes by what its endpoint is now.

use std::sync::Arc;

use serde_json::json;
use standardwebhooks::Webhook;
use tokio::sync::Semaphore;

use crate::process::receiver::{Delivery, Receiver, Reply};
use crate::process::{Home, Relay, eventually};

const DELIVERIES: &str = "SELECT count(*) FROM delivery";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// An endpoint with one attempt under way and four deliveries behind it in memory.
struct Crowd {
    home: Home,
    receiver: Receiver,
    relay: Relay,
    gate: Arc<Semaphore>,
    app: String,
    /// Below the application.
    endpoint: String,
}

impl Crowd {
    async fn new() -> Self {
        let (home, receiver) = (Home::new(), Receiver::start().await);
        let gate = Arc::new(Semaphore::new(0));
        receiver.reply("/old", [Reply::After(gate.clone())]);
        let relay = home.serve(&["--delivery-concurrency", "1"]).await;
        let (app, endpoints) = relay.application(&[&receiver.url("/old")]).await;
        for _ in 0..5 {
            relay.message(&app, "{}").await;
        }
        receiver.wait("/old", 1).await;
        let (app, endpoint) = (format!("/app/{app}"), format!("/endpoint/{}", endpoints[0]));
        let endpoint = format!("{app}{endpoint}");
        Self { home, receiver, relay, gate, app, endpoint }
    }

    /// The same, taken out of the database after a kill.
    async fn claimed() -> Self {
        let mut crowd = Self::new().await;
        crowd.relay.kill().await;
        crowd.receiver.reply("/old", [Reply::After(crowd.gate.clone())]);
        crowd.relay = crowd.home.serve(&["--delivery-concurrency", "1"]).await;
        crowd.receiver.wait("/old", 2).await;
        let leased = "SELECT count(*) FROM delivery WHERE leased = 1";
        eventually("claimed", async || crowd.home.query::<i64>(leased) == [5]).await;
        crowd
    }

    async fn patch(&self, path: &str, body: serde_json::Value) {
        self.relay.call("PATCH", path, &body.to_string()).await.expect(200);
    }

    /// Lets the attempt under way end, and waits until nothing is left.
    async fn settled(&self) {
        self.gate.add_permits(1);
        eventually("settled", async || self.home.query::<i64>(DELIVERIES) == [0]).await;
    }

    async fn secret(&self) -> Webhook {
        let path = format!("{}/secret", self.endpoint);
        let key = self.relay.call("GET", &path, "").await.expect(200).text("key");
        Webhook::new(&key).expect("a secret")
    }

    /// Asserts that only the attempt that was under way has been made, and that the list says `why` of the others.
    async fn got_nothing_more(&self, why: Option<&str>) {
        let dropped = "relay_deliveries_dropped_total 4";
        eventually("counted", async || self.relay.metrics().await.contains(dropped)).await;
        assert_eq!(self.receiver.received("/old").len(), 1);
        assert_eq!(self.home.query::<i64>("SELECT count(*) FROM attempt WHERE status = 0"), [1]);
        let skipped: Vec<String> = self.home.query("SELECT response FROM attempt WHERE status = 4");
        assert_eq!(skipped, why.map_or(vec![], |why| vec![why; 4]));
    }
}

#[linchpin_testing::test]
async fn w15_an_edit_reaches_what_waits_in_memory() {
    let crowd = Crowd::new().await;
    crowd.patch(&crowd.endpoint, json!({ "url": crowd.receiver.url("/new") })).await;
    crowd.settled().await;
    assert_eq!(crowd.receiver.received("/old").len(), 1);
    assert_eq!(crowd.receiver.received("/new").len(), 4);
    let urls: Vec<String> = crowd.home.query("SELECT url FROM attempt ORDER BY rowid");
    let [old, new] = ["/old", "/new"].map(|path| crowd.receiver.url(path));
    let [old, new] = [&old, &new];
    assert_eq!(
        urls.iter().collect::<Vec<_>>(),
        [old, new, new, new, new],
        "each attempt shows where it went"
    );
}

#[linchpin_testing::test]
async fn w15_an_edit_reaches_what_was_claimed() {
    let crowd = Crowd::claimed().await;
    crowd.patch(&crowd.endpoint, json!({ "url": crowd.receiver.url("/new") })).await;
    // The one that was under way at the kill waits at the gate, too.
    crowd.gate.add_permits(1);
    crowd.settled().await;
    assert_eq!(crowd.receiver.received("/old").len(), 2);
    assert_eq!(crowd.receiver.received("/new").len(), 4);
}

#[linchpin_testing::test]
async fn w15_a_replaced_endpoint_is_replaced_for_what_waits_in_memory() {
    let crowd = Crowd::new().await;
    let body = json!({ "url": crowd.receiver.url("/new") }).to_string();
    crowd.relay.call("PUT", &crowd.endpoint, &body).await.expect(200);
    crowd.settled().await;
    assert_eq!(crowd.receiver.received("/new").len(), 4);
}

#[linchpin_testing::test]
async fn w15_changed_headers_are_sent_with_the_next_attempt() {
    let crowd = Crowd::new().await;
    let path = format!("{}/headers", crowd.endpoint);
    let set = async |value: &str| {
        let headers = json!({ "headers": { "Authorization": value, "accept": "text/plain" } });
        crowd.relay.call("PUT", &path, &headers.to_string()).await.expect(204);
    };
    set("Bearer first").await;
    crowd.settled().await;
    set("Bearer second").await;
    crowd.relay.message(&crowd.app["/app/".len()..], "{}").await;
    let received = crowd.receiver.wait("/old", 6).await;
    let sent: Vec<_> = received
        .iter()
        .map(|one| one.headers.get("authorization").map(|value| value.to_str().expect("text")))
        .collect();
    let first = Some("Bearer first");
    assert_eq!(sent, [None, first, first, first, first, Some("Bearer second")]);
    let accepts: Vec<_> = received[5].headers.get_all("accept").iter().collect();
    assert_eq!(accepts, ["text/plain"]);
}

#[linchpin_testing::test]
async fn w15_a_rotated_secret_signs_what_waits() {
    let crowd = Crowd::new().await;
    let before = crowd.secret().await;
    let path = format!("{}/secret/rotate", crowd.endpoint);
    let body = json!({ "key": SECRET, "gracePeriodSeconds": 0 }).to_string();
    crowd.relay.call("POST", &path, &body).await.expect(200);
    let after = crowd.secret().await;
    crowd.settled().await;
    let received = crowd.receiver.received("/old");
    let by =
        |secret: &Webhook| received.iter().map(|one| is_signed(one, secret)).collect::<Vec<_>>();
    assert_eq!(by(&before), [true, false, false, false, false]);
    assert_eq!(by(&after), [false, true, true, true, true]);
}

#[linchpin_testing::test]
async fn w15_a_deleted_or_disabled_endpoint_gets_nothing_more() {
    let crowd = Crowd::new().await;
    crowd.patch(&crowd.endpoint, json!({ "disabled": true })).await;
    crowd.settled().await;
    crowd.got_nothing_more(Some("not sent: the endpoint is disabled")).await;

    let crowd = Crowd::new().await;
    crowd.relay.call("DELETE", &crowd.endpoint, "").await.expect(204);
    crowd.settled().await;
    crowd.got_nothing_more(Some("not sent: the endpoint is deleted")).await;
}

#[linchpin_testing::test]
async fn w15_the_endpoints_of_a_deleted_application_get_nothing_more() {
    let crowd = Crowd::new().await;
    crowd.relay.call("DELETE", &crowd.app, "").await.expect(204);
    crowd.settled().await;
    crowd.got_nothing_more(None).await;
}

#[linchpin_testing::test]
async fn w15_a_new_rate_holds_for_what_waits() {
    for of_application in [true, false] {
        let crowd = Crowd::new().await;
        let path = if of_application { &crowd.app } else { &crowd.endpoint };
        crowd.patch(path, json!({ "throttleRate": 1 })).await;
        crowd.gate.add_permits(1);
        let name = "relay_deliveries_postponed_total{why=\"throttle\"} 3";
        // One goes at once, and the others have their turns.
        eventually("throttled", async || crowd.relay.metrics().await.contains(name)).await;
    }
}

/// The library knows one family of names; the values are the same.
fn is_signed(delivery: &Delivery, secret: &Webhook) -> bool {
    let mut headers = http::HeaderMap::new();
    for part in ["id", "timestamp", "signature"] {
        let name = http::HeaderName::try_from(format!("webhook-{part}")).expect("a name");
        headers.insert(name, delivery.headers[&format!("svix-{part}")].clone());
    }
    secret.verify(&delivery.body, &headers).is_ok()
}
