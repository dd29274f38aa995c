//! A schedule of retries for each endpoint.

use serde_json::json;

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, eventually};

#[linchpin_testing::test]
async fn w12_an_endpoint_has_its_own_schedule() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    // The service's own would try once more, in an hour.
    let relay = home.serve(&["--retry-schedule", "1h"]).await;
    let (app, endpoints) = relay.application(&[&receiver.url("/once")]).await;
    let path = format!("/app/{app}/endpoint/{}", endpoints[0]);
    let set = async |schedule: serde_json::Value| {
        let body = json!({ "retrySchedule": schedule }).to_string();
        let shown = relay.call("PATCH", &path, &body).await.expect(200).json();
        assert_eq!(shown["retrySchedule"], schedule);
    };
    let left = async |number: i64| {
        let deliveries = "SELECT count(*) FROM delivery WHERE leased = 0";
        eventually("recorded", async || home.query::<i64>(deliveries) == [number]).await;
    };
    let fail = async || {
        let before = receiver.received("/once").len();
        receiver.reply("/once", [Reply::Status(500)]);
        let message = relay.message(&app, "{}").await;
        receiver.wait("/once", before + 1).await;
        relay.attempts(&app, &message, 1).await;
    };

    set(json!([])).await;
    fail().await;
    left(0).await;

    set(json!([7_200, 1])).await;
    fail().await;
    left(1).await;
    let wait = "SELECT due - (SELECT max(created_at) FROM attempt) FROM delivery";
    let wait = home.query::<i64>(wait)[0];
    assert!((7_200_000_000..8_700_000_000).contains(&wait), "two hours and up to a fifth: {wait}");

    set(json!(null)).await;
    fail().await;
    left(2).await;
    let wait = "SELECT max(due) - (SELECT max(created_at) FROM attempt) FROM delivery
                WHERE message = (SELECT message FROM attempt ORDER BY rowid DESC LIMIT 1)";
    let wait = home.query::<i64>(wait)[0];
    assert!((3_600_000_000..4_400_000_000).contains(&wait), "that of the service: {wait}");
}

#[linchpin_testing::test]
async fn w12_a_schedule_that_makes_no_sense_is_refused() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    let refused = async |schedule: serde_json::Value| {
        let body = json!({ "url": receiver.url("/hook"), "retrySchedule": schedule }).to_string();
        let path = format!("/app/{app}/endpoint");
        relay.call("POST", &path, &body).await.expect(422).json()["detail"][0].clone()
    };
    let fault = refused(json!([5, 0])).await;
    assert_eq!(fault["loc"], json!(["body", "retrySchedule", "[1]"]));
    assert_eq!(fault["msg"], "must be from 1 to 604800 seconds");
    let fault = refused(json!(vec![1; 21])).await;
    assert_eq!(fault["loc"], json!(["body", "retrySchedule"]));
    refused(json!(["soon"])).await;
}
