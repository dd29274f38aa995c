//! What is deleted gets nothing more.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, eventually};

#[linchpin_testing::test]
async fn retries_of_a_deleted_application_end() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let gate = Arc::new(Semaphore::new(0));
    receiver.reply("/hook", [Reply::FailAfter(gate.clone(), 500)]);
    let relay = home.serve(&["--retry-schedule", "10ms,10ms"]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    relay.message(&app, "{}").await;
    receiver.wait("/hook", 1).await;
    relay.call("DELETE", &format!("/app/{app}"), "").await.expect(204);
    gate.add_permits(1);
    let left = "SELECT count(*) FROM delivery";
    eventually("settled", async || home.query::<i64>(left) == [0]).await;
    assert_eq!(home.query::<i64>("SELECT count(*) FROM attempt"), [1]);
    assert_eq!(receiver.received("/hook").len(), 1);
}
