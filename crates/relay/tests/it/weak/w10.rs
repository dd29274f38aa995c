//! Metrics for those who scrape.

use crate::process::Home;
use crate::process::receiver::Receiver;

#[linchpin_testing::test]
async fn w10_metrics_are_on_the_admin_listener_as_prometheus_reads_them() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let relay = home.serve(&[]).await;
    let (app, endpoints) = relay.application(&[&receiver.url("/hook")]).await;
    let message = relay.message(&app, "{}").await;
    relay.attempts(&app, &message, 1).await;
    let metrics = relay.metrics().await;
    for line in metrics.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').expect("a series and its value");
        value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
        let name = series.split_once('{').map_or(series, |(name, _)| name);
        assert!(
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:".contains(&byte)),
            "{line}"
        );
    }
    for series in [
        r#"relay_attempts_total{outcome="success"} 1"#,
        "relay_attempt_seconds_count 1",
        "relay_deliveries_exhausted_total 0",
    ] {
        assert!(metrics.contains(series), "{series} in {metrics}");
    }
    // Labels are bounded: no key, no tenant and no URL is one.
    for text in [app.as_str(), &endpoints[0], &message, "/hook"] {
        assert!(!metrics.contains(text), "{text}");
    }
}
