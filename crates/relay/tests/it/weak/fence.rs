//! What is recorded is recorded of the delivery that was sent, and of no other.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, eventually};

#[linchpin_testing::test]
async fn a_record_never_settles_another_delivery_of_the_same_row() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let gate = Arc::new(Semaphore::new(0));
    receiver.reply("/hook", [Reply::After(gate.clone()), Reply::Status(500)]);
    let relay = home.serve(&["--delivery-concurrency", "1", "--retry-schedule", "10ms"]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    relay.message(&app, "{}").await;
    receiver.wait("/hook", 1).await;
    // The first is under way when its row goes, and the second has the number of that row.
    let rows = "SELECT rowid FROM delivery";
    let gone: Vec<i64> = home.query(rows);
    home.write("DELETE FROM delivery");
    let second = relay.message(&app, "{}").await;
    assert_eq!(home.query::<i64>(rows), gone);
    gate.add_permits(1);
    assert_eq!(relay.attempts(&app, &second, 2).await, [500, 200]);
    eventually("settled", async || home.query::<i64>(rows).is_empty()).await;
    let recorded: Vec<String> = home.query("SELECT hex(message) FROM attempt");
    assert_eq!(recorded.len(), 2, "and none of the first");
}
