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

#[linchpin_testing::test]
async fn w05_a_410_disables_at_once() {
    for is_on in [true, false] {
        let (home, receiver) = (Home::new(), Receiver::start().await);
        let on = if is_on { "true" } else { "false" };
        let relay = home.serve(&["--retry-schedule", "10ms", "--endpoint-disable-gone", on]).await;
        let (app, endpoints) = relay.application(&[&receiver.url("/hook")]).await;
        receiver.reply("/hook", [Reply::Status(410)]);
        let message = relay.message(&app, "{}").await;
        let path = format!("/app/{app}/endpoint/{}", endpoints[0]);
        if is_on {
            assert_eq!(relay.attempts(&app, &message, 1).await, [410]);
            eventually("settled", async || home.query::<i64>(WAIT) == [0]).await;
            let shown = relay.call("GET", &path, "").await.expect(200).json();
            assert_eq!(
                (&shown["disabled"], &shown["disabledReason"]),
                (&true.into(), &"gone".into())
            );
            assert_eq!(relay.counted(r#"relay_endpoints_disabled_total{why="gone"}"#).await, 1);
            relay.message(&app, "{}").await;
        } else {
            receiver.wait("/hook", 2).await;
            let shown = relay.call("GET", &path, "").await.expect(200).json();
            assert_eq!(shown["disabled"], false);
        }
        assert_eq!(receiver.received("/hook").len(), if is_on { 1 } else { 2 });
    }
}
