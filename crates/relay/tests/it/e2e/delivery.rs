//! What goes over the wire, and receivers that behave badly.

use standardwebhooks::Webhook;
use tokio::net::TcpListener;

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, Relay};

/// Runs in the time of one attempt: nothing is tried again.
const ONCE: [&str; 4] = ["--retry-schedule", "", "--request-timeout", "300ms"];

#[linchpin_testing::test]
async fn the_payload_arrives_byte_for_byte() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let relay = home.serve(&[]).await;
    let (app, endpoints) = relay.application(&[&receiver.url("/hook")]).await;
    let payloads = [
        "{}",
        r#"{"z":1,"a":2,"m":{"y":1,"b":2}}"#,
        r#"{ "inner" :  [ 1 ,2,  3 ] , "tab":	"x" }"#,
        r#"{"n":[1e3,1E+3,1.0,1.10,-0.0,0.1,12345678901234567890,1.7976931348623157e308,1e-400]}"#,
        r#"{"text":"Zoë ✓ 日本 🦀","escaped":"\u00e9\/\u0022\ud83e\udd80","Zoë":"key"}"#,
        r#"{"twice":1,"twice":2}"#,
        "{\n  \"pretty\": true\n}",
    ];
    for (index, payload) in payloads.iter().enumerate() {
        let message = relay.message(&app, payload).await;
        let received = receiver.wait("/hook", index + 1).await;
        let delivery = &received[index];
        assert_eq!((delivery.header("svix-id"), delivery.text()), (message.as_str(), *payload));
        assert_eq!(delivery.method, "POST");
        assert_eq!(delivery.header("content-type"), "application/json");
        assert_eq!(delivery.header("content-length"), payload.len().to_string());
        assert!(delivery.headers.get("webhook-id").is_none(), "only the svix names by default");
        verify(&relay, &app, &endpoints[0], delivery).await;
    }
}

#[linchpin_testing::test]
async fn the_names_of_the_headers_can_be_chosen() {
    for (choice, sent, missing) in
        [("svix", "svix-id", "webhook-id"), ("webhook", "webhook-id", "svix-id")]
    {
        let home = Home::new();
        let receiver = Receiver::start().await;
        let relay = home.serve(&["--webhook-headers", choice]).await;
        let (app, endpoints) = relay.application(&[&receiver.url("/hook")]).await;
        let message = relay.message(&app, "{}").await;
        let received = receiver.wait("/hook", 1).await;
        assert_eq!(received[0].header(sent), message);
        assert!(received[0].headers.get(missing).is_none());
        verify(&relay, &app, &endpoints[0], &received[0]).await;
    }
}

#[linchpin_testing::test]
async fn a_receiver_that_hangs_is_cut_off_and_recorded_without_a_status() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let relay = home.serve(&ONCE).await;
    let (app, _) = relay.application(&[&receiver.url("/hang")]).await;
    receiver.reply("/hang", [Reply::Hang]);
    let message = relay.message(&app, "{}").await;
    assert_eq!(relay.attempts(&app, &message, 1).await, [0]);
    let took: Vec<i64> = home.query("SELECT duration_ms FROM attempt");
    assert!((300..5_000).contains(&took[0]), "cut off at its limit: {took:?}");
}

#[linchpin_testing::test]
async fn a_receiver_that_is_not_there_is_recorded_without_a_status() {
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("bind").local_addr().expect("bound");
    let home = Home::new();
    let relay = home.serve(&ONCE).await;
    let (app, _) = relay.application(&[&format!("http://{gone}/")]).await;
    let message = relay.message(&app, "{}").await;
    assert_eq!(relay.attempts(&app, &message, 1).await, [0]);
    let said: Vec<String> = home.query("SELECT response FROM attempt");
    assert!(said[0].contains("connect"), "the cause is shown: {said:?}");
}

#[linchpin_testing::test]
async fn whatever_is_not_a_2xx_is_a_failure_and_no_redirect_is_followed() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let flags = [&ONCE[..], &["--endpoint-disable-gone", "false"]].concat();
    let relay = home.serve(&flags).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    let elsewhere = receiver.url("/elsewhere");
    let replies = [
        (Reply::Redirect(elsewhere), 302, 2),
        (Reply::Status(410), 410, 2),
        (Reply::Status(404), 404, 2),
        (Reply::Status(204), 204, 0),
        (Reply::Status(299), 299, 0),
        // The last, as nothing follows it for a time.
        (Reply::Status(429), 429, 2),
    ];
    for (reply, code, status) in replies {
        receiver.reply("/hook", [reply]);
        let message = relay.message(&app, "{}").await;
        assert_eq!(relay.attempts(&app, &message, 1).await, [code]);
        let list =
            relay.call("GET", &format!("/app/{app}/attempt/msg/{message}"), "").await.expect(200);
        assert_eq!(list.json()["data"][0]["status"], status, "code {code}");
    }
    assert_eq!(receiver.received("/hook").len(), 6, "each once");
    assert!(receiver.received("/elsewhere").is_empty());
}

#[linchpin_testing::test]
async fn a_slow_receiver_does_not_hold_up_the_others() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let relay = home.serve(&["--retry-schedule", "", "--request-timeout", "20s"]).await;
    let (app, _) = relay.application(&[&receiver.url("/slow"), &receiver.url("/fast")]).await;
    receiver.reply("/slow", vec![Reply::Hang; 40]);
    for _ in 0..40 {
        relay.message(&app, "{}").await;
    }
    receiver.wait("/fast", 40).await;
}

async fn verify(
    relay: &Relay,
    app: &str,
    endpoint: &str,
    delivery: &crate::process::receiver::Delivery,
) {
    let secret = relay.call("GET", &format!("/app/{app}/endpoint/{endpoint}/secret"), "").await;
    let secret = Webhook::new(&secret.expect(200).text("key")).expect("a secret");
    // The library knows one family of names; the values are the same.
    let mut headers = delivery.headers.clone();
    for part in ["id", "timestamp", "signature"] {
        let name = ["svix", "webhook"].map(|family| format!("{family}-{part}"));
        let value =
            name.iter().find_map(|name| delivery.headers.get(name)).expect("signed").clone();
        headers.insert(http::HeaderName::try_from(&name[1]).expect("a name"), value);
    }
    secret.verify(&delivery.body, &headers).expect("verified by standardwebhooks");
}
