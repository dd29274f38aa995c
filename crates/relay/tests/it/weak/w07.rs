//! A kill between the deliveries of one message.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, eventually};

#[linchpin_testing::test]
async fn w07_a_kill_in_a_fan_out_repeats_nothing_that_is_on_record() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let mut relay = home.serve(&[]).await;
    let urls = ["/a", "/b", "/slow"].map(|path| receiver.url(path));
    let (app, _) = relay.application(&urls.each_ref().map(String::as_str)).await;
    receiver.reply("/slow", [Reply::Hang]);
    let message = relay.message(&app, "{}").await;
    receiver.wait("/slow", 1).await;
    let recorded = "SELECT count(*) FROM attempt";
    eventually("on record", async || home.query::<i64>(recorded) == [2]).await;
    relay.kill().await;

    let relay = home.serve(&[]).await;
    receiver.wait("/slow", 2).await;
    relay.attempts(&app, &message, 3).await;
    for path in ["/a", "/b"] {
        assert_eq!(receiver.received(path).len(), 1, "{path}");
    }
    let successes = "SELECT count(*) FROM attempt WHERE status = 0 GROUP BY endpoint";
    assert_eq!(home.query::<i64>(successes), [1, 1, 1]);
}

#[linchpin_testing::test]
async fn w07_a_kill_in_a_fan_out_records_no_endpoint_twice() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let flags = ["--retry-schedule", "10ms,10ms,10ms"];
    let paths: Vec<String> = (0..12).map(|number| format!("/{number}")).collect();
    let urls: Vec<String> = paths.iter().map(|path| receiver.url(path)).collect();
    let mut relay = home.serve(&flags).await;
    let (app, _) = relay.application(&urls.iter().map(String::as_str).collect::<Vec<_>>()).await;
    // The kill comes when a request has come here, in another place of the fan-out each time.
    for path in ["/0", "/7", "/11"] {
        let before = receiver.received(path).len();
        let gate = Arc::new(Semaphore::new(0));
        for (number, path) in paths.iter().enumerate() {
            match number % 3 {
                0 => {}
                1 => receiver.reply(path, [Reply::Status(500)]),
                _ => receiver.reply(path, [Reply::After(gate.clone())]),
            }
        }
        relay.message(&app, "{}").await;
        receiver.wait(path, before + 1).await;
        relay.kill().await;
        gate.add_permits(2 * paths.len());
        relay = home.serve(&flags).await;
        let left = "SELECT count(*) FROM delivery";
        eventually("settled", async || home.query::<i64>(left) == [0]).await;
    }
    let successes =
        "SELECT count(*) FILTER (WHERE status = 0) FROM attempt GROUP BY message, endpoint";
    assert_eq!(home.query::<i64>(successes), [1; 36]);
    let requests: usize = paths.iter().map(|path| receiver.received(path).len()).sum();
    let recorded = home.query::<i64>("SELECT count(*) FROM attempt")[0];
    assert!(recorded <= requests as i64, "{recorded} of {requests} are on record");
}
