//! A kill between the deliveries of one message.

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
