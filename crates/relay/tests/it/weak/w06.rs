//! Kills in the midst of acknowledgements.

use std::sync::Arc;

use linchpin::sync::Mutex;
use linchpin::task;
use tokio::sync::Semaphore;

use crate::process::http::Http;
use crate::process::receiver::Receiver;
use crate::process::{Home, Relay, eventually};

const CLIENTS: usize = 16;
/// Behind so many acknowledgements the kill comes: in the midst of those of a group.
const KILL_BEHIND: [u32; 3] = [20, 27, 37];

#[linchpin_testing::test]
async fn w06_nothing_acknowledged_is_lost_by_a_kill() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let mut relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    let mut all = Vec::new();
    for behind in KILL_BEHIND {
        let told = acknowledged_until_killed(&mut relay, &app, behind).await;
        assert!(told.len() >= behind as usize);
        relay = home.serve(&[]).await;
        for message in &told {
            let path = format!("/app/{app}/msg/{message}?with_content=false");
            relay.call("GET", &path, "").await.expect(200);
        }
        all.extend(told);
    }
    eventually("delivered", async || home.query::<i64>("SELECT count(*) FROM delivery") == [0])
        .await;
    let received = receiver.received("/hook");
    for message in &all {
        assert!(received.iter().any(|one| one.header("svix-id") == message), "{message}");
    }
}

/// Has clients send until nobody answers, kills the service, and returns what they were told of.
async fn acknowledged_until_killed(relay: &mut Relay, app: &str, behind: u32) -> Vec<String> {
    let (told, count) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
    let url = format!("{}/api/v1/app/{app}/msg?with_content=false", relay.api);
    let bearer = format!("Bearer {}", relay.token);
    // Large, so that a commit takes its time.
    let fill = "x".repeat(64 << 10);
    let body = format!(r#"{{"eventType":"test.sent","payload":{{"fill":"{fill}"}}}}"#);
    let client = |_| {
        let (told, count) = (told.clone(), count.clone());
        let (url, bearer, body) = (url.clone(), bearer.clone(), body.clone());
        task::spawn("client", async move {
            let (http, headers) = (Http::new(), [("authorization", bearer.as_str())]);
            while let Ok(answer) = http.send("POST", &url, &headers, &body).await {
                told.lock().push(answer.expect(202).text("id"));
                count.add_permits(1);
            }
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    count.acquire_many(behind).await.expect("never closed").forget();
    relay.kill().await;
    for client in clients {
        client.join().await;
    }
    std::mem::take(&mut *told.lock())
}
