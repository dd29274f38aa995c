//! What operators see of a service that runs.

use crate::process::Home;

#[tokio::test]
async fn panics_are_counted_from_the_start() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    let metrics = relay.metrics().await;
    assert!(metrics.lines().any(|line| line == "linchpin_panics_total 0"), "{metrics}");
}
