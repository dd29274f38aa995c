//! Deliveries that leave through a proxy.

use linchpin_testing::proxy::TestProxy;

use crate::process::receiver::Receiver;
use crate::process::{Home, PATIENCE, Relay, eventually};

/// How often a delivery was put off because of the proxy.
const PUT_OFF: &str = r#"relay_deliveries_postponed_total{why="proxy"}"#;

/// A Relay whose deliveries go through `proxy`.
async fn through(home: &Home, proxy: &str) -> Relay {
    home.serve(&["--egress-proxy", proxy]).await
}

#[linchpin_testing::test]
async fn a_delivery_goes_through_the_proxy_by_a_judged_address() {
    let (home, proxy, receiver) = (Home::new(), TestProxy::spawn().await, Receiver::start().await);
    let relay = through(&home, &format!("http://relay:word@{}", proxy.addr())).await;
    let url = receiver.url("/hook").replace("127.0.0.1", "localhost");
    let (app, _) = relay.application(&[&url]).await;
    let message = relay.message(&app, "{}").await;
    let delivery = receiver.wait("/hook", 1).await.remove(0);
    assert_eq!(delivery.header("svix-id"), message);
    let port = url.rsplit_once(':').unwrap().1.trim_end_matches("/hook");
    assert_eq!(delivery.header("host"), format!("localhost:{port}"));
    let asked = proxy.asked().remove(0);
    // By whichever address the name has here, and where the receiver listens.
    assert!([format!("127.0.0.1:{port}"), format!("[::1]:{port}")].contains(&asked.target));
    assert_eq!(asked.login.as_deref(), Some("Basic cmVsYXk6d29yZA=="));
    assert_eq!(relay.attempts(&app, &message, 1).await, [200]);
}

#[linchpin_testing::test]
async fn socks5_with_password() {
    let (home, proxy, receiver) = (Home::new(), TestProxy::spawn().await, Receiver::start().await);
    let relay = through(&home, &format!("socks5://relay:word@{}", proxy.addr())).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    relay.message(&app, "{}").await;
    receiver.wait("/hook", 1).await;
    let asked = proxy.asked().remove(0);
    assert_eq!(receiver.url(""), format!("http://{}", asked.target));
    assert_eq!(asked.login.as_deref(), Some("relay:word"));
}

#[linchpin_testing::test]
async fn a_private_target_is_refused_before_the_proxy_hears() {
    let (home, proxy) = (Home::new(), TestProxy::spawn().await);
    let mut relay = through(&home, &format!("http://{}", proxy.addr())).await;
    let (app, _) = relay.application(&["https://hooks.example.com/"]).await;
    relay.terminate().await;
    relay.wait(PATIENCE).await;
    // It was public when it was made.
    home.write("UPDATE endpoint SET url = 'http://10.0.0.1/'");
    let relay = through(&home, &format!("http://{}", proxy.addr())).await;
    let message = relay.message(&app, "{}").await;
    assert_eq!(relay.attempts(&app, &message, 1).await, [0]);
    assert_eq!(proxy.asked(), []);
}

#[linchpin_testing::test]
async fn a_proxy_that_is_down_uses_up_no_attempt() {
    let (home, proxy, receiver) = (Home::new(), TestProxy::spawn().await, Receiver::start().await);
    proxy.refuse(Some(407));
    let relay = through(&home, &format!("http://{}", proxy.addr())).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    let message = relay.message(&app, "{}").await;
    eventually("put off", async || relay.counted(PUT_OFF).await >= 2).await;
    let none: [i64; 0] = [];
    assert_eq!(home.query::<i64>("SELECT status FROM attempt"), none);
    assert_eq!(home.query::<i64>("SELECT attempt FROM delivery"), [0]);
    proxy.refuse(None);
    receiver.wait("/hook", 1).await;
    assert_eq!(relay.attempts(&app, &message, 1).await, [200]);
    // What fails behind the proxy is the receiver's.
    proxy.refuse(Some(502));
    let (app, _) = relay.application(&["http://127.0.0.1:1/"]).await;
    let message = relay.message(&app, "{}").await;
    assert_eq!(relay.attempts(&app, &message, 1).await, [0]);
}

#[linchpin_testing::test]
async fn the_environment_names_no_proxy() {
    let (home, proxy, receiver) = (Home::new(), TestProxy::spawn().await, Receiver::start().await);
    let names =
        ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let exports = format!("P=http://{}; export {};", proxy.addr(), names.join("=$P ") + "=$P");
    let relay = home.serve_under(&exports, &[]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    relay.message(&app, "{}").await;
    receiver.wait("/hook", 1).await;
    assert_eq!(proxy.asked(), []);
}

#[linchpin_testing::test]
async fn the_login_of_the_proxy_is_shown_nowhere() {
    let home = Home::new();
    let args = ["check-config", "--egress-proxy", "http://relay:hidden@127.0.0.1:1"];
    let shown = home.run(&args).await;
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    assert!(!String::from_utf8_lossy(&shown.stdout).contains("hidden"), "{shown:?}");
    // Nor in the log, when the proxy fails.
    let relay = through(&home, "http://relay:hidden@127.0.0.1:1").await;
    let (app, _) = relay.application(&["http://127.0.0.1:1/"]).await;
    relay.message(&app, "{}").await;
    eventually("put off", async || relay.counted(PUT_OFF).await >= 1).await;
    let log = relay.to_string();
    assert!(log.contains("attempts could not be made") && !log.contains("hidden"), "{log}");
}
