//! A recovery that a kill or a shutdown cuts off goes on where it was.

use std::time::Duration;

use linchpin::time::Timestamp;
use relay::ids::{AppId, AttemptId, DEFAULT_ORG, EndpointId, MessageId, OrgId};
use serde_json::json;

use crate::process::receiver::Receiver;
use crate::process::{Home, PATIENCE, Relay, eventually};

/// Enough that a recovery is still under way when it has begun to send.
const FAILED: i64 = 3_000;
/// How far the recovery reaches back.
const HOUR: Duration = Duration::from_hours(1);

#[linchpin_testing::test]
async fn w09_a_recovery_survives_a_kill() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let (mut relay, task) = recovering(&home, &receiver).await;
    relay.kill().await;
    let sent = home.query::<i64>("SELECT sent FROM background_task")[0];
    assert!((1..FAILED).contains(&sent), "killed in the middle: {sent}");

    let relay = home.serve(&[]).await;
    recovered(&home, &receiver, &relay, &task).await;
}

#[linchpin_testing::test]
async fn a_shutdown_cuts_a_recovery_off_and_the_next_start_takes_it_up() {
    let home = Home::new();
    let receiver = Receiver::start().await;
    let (mut relay, task) = recovering(&home, &receiver).await;
    relay.terminate().await;
    assert_eq!(relay.wait(PATIENCE).await.code(), Some(0), "{}", *relay);
    let sent = home.query::<i64>("SELECT sent FROM background_task")[0];
    assert!((1..FAILED).contains(&sent), "stopped in the middle: {sent}");
    assert_eq!(home.query::<String>("SELECT status FROM background_task"), ["running"]);

    let relay = home.serve(&[]).await;
    recovered(&home, &receiver, &relay, &task).await;
}

/// A service whose recovery of many failures has begun to send.
async fn recovering(home: &Home, receiver: &Receiver) -> (Relay, String) {
    let mut relay = home.serve(&[]).await;
    let (app, endpoints) = relay.application(&[&receiver.url("/hook")]).await;
    relay.terminate().await;
    relay.wait(PATIENCE).await;
    let (app_id, endpoint) = (app.parse().expect("an id"), endpoints[0].parse().expect("an id"));
    fail(home, app_id, endpoint).expect("failures in the database");

    let relay = home.serve(&[]).await;
    let body = json!({ "since": (Timestamp::now() - HOUR).to_string() }).to_string();
    let path = format!("/app/{app}/endpoint/{}/recover", endpoints[0]);
    let task = relay.call("POST", &path, &body).await.expect(202).text("id");
    eventually("recovering", async || home.query::<i64>("SELECT sent FROM background_task") != [0])
        .await;
    (relay, task)
}

/// Waits until the recovery is finished and all is delivered, and checks that nothing was passed over or sent by two
/// deliveries.
async fn recovered(home: &Home, receiver: &Receiver, relay: &Relay, task: &str) {
    let path = format!("/background-task/{task}");
    let get = async || relay.call("GET", &path, "").await.expect(200).json();
    eventually("finished", async || get().await["status"] == "finished").await;
    assert_eq!(get().await["data"], json!({ "messagesSent": FAILED }));
    eventually("delivered", async || home.query::<i64>("SELECT count(*) FROM delivery") == [0])
        .await;
    let attempts = "SELECT count(*) FROM attempt GROUP BY message ORDER BY 1";
    assert_eq!(home.query::<i64>(attempts), vec![2; FAILED as usize], "one failed, one did not");
    let delivered = "SELECT count(*) FROM attempt WHERE status = 0 AND trigger_type = 1";
    assert_eq!(home.query::<i64>(delivered), [FAILED]);
    // What was under way at a kill may have come twice.
    let received = receiver.received("/hook");
    let mut ids: Vec<_> = received.iter().map(|one| one.header("svix-id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as i64, FAILED);
}

/// Messages that failed in the last half hour, put into the database of a service that does not run.
fn fail(home: &Home, app: AppId, endpoint: EndpointId) -> rusqlite::Result<()> {
    let org: OrgId = DEFAULT_ORG.parse().expect("the default organisation is an id");
    let mut database = rusqlite::Connection::open(home.database())?;
    let tx = database.transaction()?;
    {
        let mut message = tx.prepare(
            "INSERT INTO message (org, app, id, event_type, payload, created_at)
             VALUES (?1, ?2, ?3, 'a', x'7b7d', ?4)",
        )?;
        let mut attempt = tx.prepare(
            "INSERT INTO attempt (org, app, message, endpoint, id, url, status, status_code, response,
                                  duration_ms, trigger_type, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, '', 2, 500, '', 1, 0, ?6)",
        )?;
        let begin = Timestamp::now() - HOUR / 2;
        for n in 0..FAILED {
            let at = begin + Duration::from_millis(n as u64 * 100);
            let id = MessageId::at(at);
            message.execute((org, app, id, at.as_micros()))?;
            attempt.execute((org, app, id, endpoint, AttemptId::at(at), at.as_micros()))?;
        }
    }
    tx.commit()
}
