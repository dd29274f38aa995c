//! How the service stops, and what storage that fails does to it.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, PATIENCE, Relay, eventually};

/// Well below the 20 s that a drain may take by default: whoever needs this long waited for a time limit.
const PROMPTLY: Duration = Duration::from_secs(10);

#[linchpin_testing::test]
async fn a_delivery_under_way_is_finished_and_recorded() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let mut relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    let gate = Arc::new(Semaphore::new(0));
    receiver.reply("/hook", [Reply::After(gate.clone())]);
    relay.message(&app, "{}").await;
    receiver.wait("/hook", 1).await;

    relay.terminate().await;
    refuses(&relay).await;
    gate.add_permits(1);
    assert_eq!(relay.wait(PROMPTLY).await.code(), Some(0), "{}", *relay);
    assert_eq!(home.query::<i64>("SELECT status_code FROM attempt"), [200]);
    assert_eq!(home.query::<i64>("SELECT count(*) FROM delivery"), [0]);
    assert_eq!(receiver.received("/hook").len(), 1);
    assert!(!home.database().with_extension("db-wal").exists(), "the log was moved into the file");
}

#[linchpin_testing::test]
async fn a_delivery_that_outlasts_the_drain_is_given_back_and_made_after_the_restart() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let mut relay = home.serve(&["--drain-timeout", "300ms"]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    receiver.reply("/hook", [Reply::Hang]);
    let message = relay.message(&app, "{}").await;
    receiver.wait("/hook", 1).await;

    relay.terminate().await;
    // Exit code 1 is for requests that were aborted; a delivery that is given back loses nothing.
    let status = relay.wait(PROMPTLY).await;
    assert_eq!(status.code(), Some(0), "{}", *relay);
    assert_eq!(home.query::<i64>("SELECT leased FROM delivery"), [0], "given back");
    assert!(
        home.query::<i64>("SELECT status_code FROM attempt").is_empty(),
        "not an attempt of its own"
    );

    let relay = home.serve(&[]).await;
    let received = receiver.wait("/hook", 2).await;
    assert_eq!(received[1].header("svix-id"), message);
    assert_eq!(relay.attempts(&app, &message, 1).await, [200]);
}

#[linchpin_testing::test]
async fn a_second_signal_ends_it_at_once() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let mut relay = home.serve(&["--drain-timeout", "10m", "--request-timeout", "10m"]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    receiver.reply("/hook", [Reply::Hang]);
    let message = relay.message(&app, "{}").await;
    receiver.wait("/hook", 1).await;
    relay.terminate().await;
    refuses(&relay).await;
    relay.terminate().await;
    assert_eq!(relay.wait(PROMPTLY).await.code(), Some(1), "work was aborted: {}", *relay);

    let relay = home.serve(&[]).await;
    receiver.wait("/hook", 2).await;
    assert_eq!(relay.attempts(&app, &message, 1).await, [200]);
}

#[linchpin_testing::test]
async fn a_request_under_way_is_answered_while_readiness_says_no() {
    let home = Home::new();
    let mut relay = home.serve(&["--pre-drain", "700ms"]).await;
    let (app, _) = relay.application(&[]).await;
    let body = r#"{"eventType":"a","payload":{}}"#;
    let host = relay.api.strip_prefix("http://").expect("an address").to_owned();
    let mut stream = TcpStream::connect(&host).await.expect("connect");
    let head = format!(
        "POST /api/v1/app/{app}/msg HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        relay.token,
        body.len(),
    );
    stream.write_all(head.as_bytes()).await.expect("send");
    stream.write_all(&body.as_bytes()[..10]).await.expect("send");
    // An answer to another request means that the first had its turn.
    relay.call("GET", "/app", "").await.expect(200);

    relay.terminate().await;
    eventually("unready", async || relay.ready_status().await == Some(503)).await;
    relay.call("GET", "/app", "").await.expect(200);
    refuses(&relay).await;
    assert_eq!(relay.ready_status().await, Some(503), "operators are answered to the end");
    stream.write_all(&body.as_bytes()[10..]).await.expect("send");
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer))
        .await
        .expect("in time")
        .expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    assert_eq!(relay.wait(PROMPTLY).await.code(), Some(0), "{}", *relay);
    assert_eq!(home.query::<i64>("SELECT count(*) FROM message"), [1]);
}

#[linchpin_testing::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let home = Home::new();
    let mut relay = home.serve(&[]).await;
    let host = relay.api.strip_prefix("http://").expect("an address").to_owned();
    let silent = TcpStream::connect(&host).await.expect("connect");
    relay.call("GET", "/app", "").await.expect(200);
    relay.terminate().await;
    assert_eq!(relay.wait(PROMPTLY).await.code(), Some(0), "{}", *relay);
    drop(silent);
}

/// Where clients take all the connections that there are files for, deliveries have files of their own: one that had none
/// would be a failed attempt of a receiver that has done nothing.
#[linchpin_testing::test]
async fn few_files_hold_up_clients_and_no_deliveries() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let flags = ["--delivery-concurrency", "32", "--delivery-per-host", "32"];
    let relay = home.serve_under("ulimit -n 260;", &flags).await;
    let (app, _) = relay.application(&[receiver.url("/hook").as_str(); 32]).await;
    let host = relay.api.strip_prefix("http://").expect("an address").to_owned();
    let mut asking = TcpStream::connect(&host).await.expect("connect");
    // 260 files are a hundred connections. The others wait in the queue of the kernel.
    let mut silent = Vec::new();
    for _ in 0..180 {
        silent.push(TcpStream::connect(&host).await.expect("connect"));
    }
    let body = r#"{"eventType":"a","payload":{}}"#;
    let token = &relay.token;
    let head =
        format!("POST /api/v1/app/{app}/msg HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}");
    let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    asking.write_all(request.as_bytes()).await.expect("write");
    let mut answer = [0; 4 << 10];
    let length = timeout(PROMPTLY, asking.read(&mut answer)).await.expect("in time").expect("read");
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    // All at once, each with a file of its own.
    receiver.wait("/hook", 32).await;
    drop(silent);
    assert_eq!(home.query::<i64>("SELECT count(*) FROM attempt WHERE status_code <> 200"), [0]);
}

#[linchpin_testing::test]
async fn a_full_disk_is_shown_until_a_write_succeeds() {
    let home = Home::new();
    let relay = home.serve_under("trap '' XFSZ; ulimit -S -f 1200;", &[]).await;
    let (app, _) = relay.application(&[]).await;
    let large = format!(r#"{{"eventType":"a","payload":{{"fill":"{}"}}}}"#, "x".repeat(900_000));
    let path = format!("/app/{app}/msg");
    while relay.call("POST", &path, &large).await.status == 202 {}

    let storage = async || {
        let said = relay.operate("GET", "/components", "").await.expect(200).json();
        let parts = said["data"].as_array().expect("a list").iter();
        let mut found = parts.filter(|part| part["name"] == "storage").cloned();
        found.next().expect("the storage")
    };
    let shown = storage().await;
    let about = shown["about"].as_str().expect("a text");
    assert!(shown["state"] == "fail" && about.contains("relay.db fail since 20"), "{shown}");
    assert!(about.contains("disk I/O error") && !about.contains('\n'), "{shown}");
    assert!(relay.metrics().await.contains("linchpin_sqlite_writes_failing 1\n"));
    let operator = [("RELAY_ADMIN_URL", relay.admin.as_str())];
    let status = home.run_with(&["status"], &operator).await;
    assert_eq!(status.status.code(), Some(1), "{status:?}");
    // Reads go on, and nothing is gained by taking the only instance out.
    assert_eq!(relay.ready_status().await, Some(200));

    let id = relay.id().expect("it runs").to_string();
    let raise = ["--fsize=unlimited:", "--pid", &id];
    let raised = std::process::Command::new("prlimit").args(raise).status().expect("prlimit");
    assert!(raised.success());
    relay.message(&app, "{}").await;
    assert_eq!(storage().await["state"], "ok");
    assert!(relay.metrics().await.contains("linchpin_sqlite_writes_failing 0\n"));
}

#[linchpin_testing::test]
async fn a_full_disk_refuses_messages_and_loses_none() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let mut relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    relay.terminate().await;
    assert_eq!(relay.wait(PROMPTLY).await.code(), Some(0), "{}", *relay);

    // No file may grow beyond 600 KiB; with the signal ignored the writes fail as on a full disk.
    let mut relay = home.serve_under("trap '' XFSZ; ulimit -f 600;", &[]).await;
    let body = format!(r#"{{"eventType":"a","payload":{{"fill":"{}"}}}}"#, "x".repeat(20_000));
    let bearer = format!("Bearer {}", relay.token);
    let post_body = async |relay: &Relay, key: &str, body: &str| {
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
        relay.call_with("POST", &format!("/app/{app}/msg"), &headers, body).await
    };
    let post = async |relay: &Relay, key: &str| post_body(relay, key, &body).await;
    let mut accepted = Vec::new();
    let refused = loop {
        let answer = post(&relay, &format!("key-{}", accepted.len())).await;
        match answer.status {
            202 => accepted.push(answer.text("id")),
            _ => break answer,
        }
        assert!(accepted.len() < 1_000, "the limit had no effect");
    };
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(!refused.text("code").is_empty() && !refused.text("detail").is_empty());
    assert!(!accepted.is_empty());
    // It goes on: what is there can be read, and what does not fit is refused. One that was refused might fit by now, since
    // it may have been the attempts committed with it that were too much; what is larger than all there is cannot.
    let refused_key = format!("key-{}", accepted.len());
    relay.call("GET", &format!("/app/{app}/msg/{}", accepted[0]), "").await.expect(200);
    let large = body.replace("xxxx", &"x".repeat(160));
    post_body(&relay, "large", &large).await.expect(503);
    relay.kill().await;

    let relay = home.serve(&[]).await;
    // Whether the refused one was stored may be unknown; its key makes it one message all the same.
    accepted.push(post(&relay, &refused_key).await.expect(202).text("id"));
    assert_eq!(home.query::<i64>("SELECT count(*) FROM message"), [accepted.len() as i64]);
    for id in &accepted {
        relay.call("GET", &format!("/app/{app}/msg/{id}"), "").await.expect(200);
        let codes = relay.attempts(&app, id, 1).await;
        assert_eq!(codes.last(), Some(&200));
    }
    let received = receiver.received("/hook");
    assert!(accepted.iter().all(|id| received.iter().any(|one| one.header("svix-id") == id)));
}

/// Waits until nobody is let in any more: the drain has begun.
async fn refuses(relay: &Relay) {
    let host = relay.api.strip_prefix("http://").expect("an address");
    eventually("draining", async || TcpStream::connect(host).await.is_err()).await;
}
