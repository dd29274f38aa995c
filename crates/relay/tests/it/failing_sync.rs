//! What comes of a commit whose sync fails: nobody knows what the disk holds, and nothing hangs, is lost or is sent twice.
//!
//! strace makes one sync of the writer's thread fail: that of the commit number [`HEALTHY`] + 1. Every commit here is
//! one sync, and opening the database, on another thread, takes fewer.
#![cfg(target_os = "linux")]

use crate::process::http::Answer;
use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, Relay};

const HEALTHY: usize = 40;

#[linchpin_testing::test]
async fn a_message_of_unknown_outcome_is_sent_once_when_its_key_comes_again() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let (relay, app) = failing_after(0, &home, &receiver).await;
    assert_eq!(post(&relay, &app).await.expect(503).text("code"), "outcome_unknown");
    let message = post(&relay, &app).await.expect(202).text("id");
    assert_eq!(relay.attempts(&app, &message, 1).await, [200]);
    assert_eq!(post(&relay, &app).await.expect(202).text("id"), message);
    sent(&home, &receiver, &message, 1);
}

#[linchpin_testing::test]
async fn a_message_of_unknown_outcome_is_one_message_after_a_kill() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let (mut relay, app) = failing_after(0, &home, &receiver).await;
    assert_eq!(post(&relay, &app).await.expect(503).text("code"), "outcome_unknown");
    relay.kill().await;

    let relay = home.serve(&[]).await;
    let answer = post(&relay, &app).await.expect(202);
    assert_eq!(answer.headers.get("idempotent-replayed").expect("it was found in the log"), "true");
    let message = answer.text("id");
    assert_eq!(relay.attempts(&app, &message, 1).await, [200]);
    sent(&home, &receiver, &message, 1);
}

#[linchpin_testing::test]
async fn an_attempt_whose_record_is_unknown_is_recorded_once_and_its_retry_comes() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let (relay, app) = failing_after(1, &home, &receiver).await;
    receiver.reply("/hook", [Reply::Status(500)]);
    let message = post(&relay, &app).await.expect(202).text("id");
    assert_eq!(relay.attempts(&app, &message, 2).await, [500, 200]);
    sent(&home, &receiver, &message, 2);
    assert!(relay.to_string().contains("cannot record what became of a delivery"), "{}", *relay);
}

#[linchpin_testing::test]
async fn deliveries_whose_claim_is_unknown_are_claimed_again() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let (relay, app) = failing_after(2, &home, &receiver).await;
    receiver.reply("/hook", [Reply::Status(500)]);
    let message = post(&relay, &app).await.expect(202).text("id");
    assert_eq!(relay.attempts(&app, &message, 2).await, [500, 200]);
    sent(&home, &receiver, &message, 2);
    assert!(relay.to_string().contains("cannot take up due deliveries"), "{}", *relay);
}

/// A service of which `good` more commits succeed before one fails, and an application with one endpoint.
async fn failing_after(good: usize, home: &Home, receiver: &Receiver) -> (Relay, String) {
    let failing = HEALTHY + 1;
    let strace = format!(
        "exec strace -D -f -qq -o /dev/null -e trace=fsync,fdatasync \
         -e inject=fsync,fdatasync:error=EIO:when={failing} \"$0\" \"$@\";"
    );
    let relay = home.serve_under(&strace, &["--retry-schedule", "100ms"]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    let (idle, _) = relay.application(&[]).await;
    // Those three, the proof of the key that a first start puts on record, and the head of the log, which the open has emptied.
    for _ in 5..HEALTHY - good {
        relay.message(&idle, "{}").await;
    }
    (relay, app)
}

async fn post(relay: &Relay, app: &str) -> Answer {
    let bearer = format!("Bearer {}", relay.token);
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k")];
    let body = r#"{"eventType":"test.sent","eventId":"e","payload":{}}"#;
    relay.call_with("POST", &format!("/app/{app}/msg"), &headers, body).await
}

/// All that was sent, and nothing waits.
#[track_caller]
fn sent(home: &Home, receiver: &Receiver, message: &str, times: usize) {
    let received = receiver.received("/hook");
    assert_eq!(received.len(), times, "{received:?}");
    assert!(received.iter().all(|one| one.header("svix-id") == message), "{received:?}");
    assert_eq!(home.query::<i64>("SELECT count(*) FROM message WHERE event_id = 'e'"), [1]);
    assert_eq!(home.query::<i64>("SELECT leased FROM delivery"), [] as [i64; 0]);
}
