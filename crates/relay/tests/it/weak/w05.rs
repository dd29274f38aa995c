//! Receivers that say what they want: a pause.

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, eventually};

const ASKED: &str = r#"relay_deliveries_postponed_total{why="asked"}"#;
const WAIT: &str = "SELECT count(*) FROM delivery";

#[linchpin_testing::test]
async fn w05_a_429_without_retry_after_slows() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    // Nothing goes by itself while the test waits.
    let flags = "--breaker-open-for 1h --breaker-max-open-for 1h --retry-schedule 10ms,10ms";
    let relay = home.serve(&flags.split(' ').collect::<Vec<_>>()).await;
    let (app, endpoints) = relay.application(&[&receiver.url("/hook")]).await;
    receiver.reply("/hook", [Reply::Status(429)]);
    let first = relay.message(&app, "{}").await;
    relay.attempts(&app, &first, 1).await;
    for _ in 0..19 {
        relay.message(&app, "{}").await;
    }
    // The retry is due, and so are all others.
    eventually("held back", async || relay.counted(ASKED).await > 0).await;
    assert_eq!(home.query::<i64>(WAIT), [20]);
    assert_eq!(receiver.received("/hook").len(), 1);

    // An operator knows better.
    let path = format!("/breakers/{}", endpoints[0]);
    relay.operate("POST", &path, r#"{"state":"open"}"#).await.expect(200);
    assert_eq!(home.query::<i64>(WAIT), [20]);
    relay.operate("POST", &path, r#"{"state":"reset"}"#).await.expect(200);
    receiver.wait("/hook", 21).await;
}

#[linchpin_testing::test]
async fn w05_a_pause_longer_than_a_breaker_holds_for_all() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let flags = "--breaker-open-for 50ms --breaker-max-open-for 50ms --retry-schedule 10ms";
    let relay = home.serve(&flags.split(' ').collect::<Vec<_>>()).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    receiver.reply("/hook", [Reply::Asks(429, "1")]);
    let first = relay.message(&app, "{}").await;
    relay.attempts(&app, &first, 1).await;
    let second = relay.message(&app, "{}").await;
    assert_eq!(relay.attempts(&app, &second, 1).await, [200]);
    let times: Vec<i64> = home.query("SELECT created_at FROM attempt ORDER BY rowid");
    assert!(times[1..].iter().all(|time| time - times[0] >= 1_000_000), "{times:?}");
}
