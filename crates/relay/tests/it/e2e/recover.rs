//! A task that a kill or a shutdown cuts off goes on where it was.

use std::time::Duration;

use linchpin::time::Timestamp;
use relay::ids::{AppId, AttemptId, DEFAULT_ORG, EndpointId, MessageId, OrgId};
use serde_json::{Value, json};

use crate::process::receiver::Receiver;
use crate::process::{Home, PATIENCE, Relay, eventually};

/// Enough that a task is still under way when it has begun to send.
const MANY: i64 = 3_000;
/// Likewise, of messages whose content goes.
const CONTENTS: i64 = 20_000;
/// How far a task reaches back.
const HOUR: Duration = Duration::from_hours(1);

/// What became of each message before.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Failed = 2,
    Delivered = 0,
    NeverSent = 9,
}

#[linchpin_testing::test]
async fn w09_a_recovery_survives_a_kill() {
    survives_a_kill("recover", Before::Failed).await;
}

#[linchpin_testing::test]
async fn w09_a_bulk_replay_survives_a_kill() {
    survives_a_kill("bulk-replay", Before::Delivered).await;
}

#[linchpin_testing::test]
async fn w09_replay_missing_sends_what_was_never_sent_and_is_listed() {
    let (home, relay, task) = survives_a_kill("replay-missing", Before::NeverSent).await;
    let list = relay.call("GET", "/background-task?task=endpoint.replay&status=finished", "").await;
    let list = list.expect(200).json();
    assert_eq!(list["data"][0]["id"], task.as_str(), "{list}");
    assert_eq!(list["data"][0]["data"], json!({ "messagesSent": MANY }));
    drop((relay, home));
}

#[linchpin_testing::test]
async fn a_shutdown_cuts_a_recovery_off_and_the_next_start_takes_it_up() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let (mut relay, task) = sending(&home, &receiver, "recover", Before::Failed).await;
    relay.terminate().await;
    assert_eq!(relay.wait(PATIENCE).await.code(), Some(0), "{}", *relay);
    let sent = home.query::<i64>("SELECT sent FROM background_task")[0];
    assert!((1..MANY).contains(&sent), "stopped in the middle: {sent}");
    assert_eq!(home.query::<String>("SELECT status FROM background_task"), ["running"]);

    let relay = home.serve(&[]).await;
    all_sent(&home, &receiver, &relay, &task, Before::Failed).await;
}

#[linchpin_testing::test]
async fn a_purge_goes_on_after_a_kill() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let (app, _) = filled(&home, &receiver, CONTENTS, Before::Failed).await;
    let mut relay = home.serve(&[]).await;
    let path = format!("/app/{app}/msg/expunge-all-contents");
    let task = relay.call("POST", &path, "").await.expect(202).text("id");
    under_way(&home).await;
    relay.kill().await;
    let purged = home.query::<i64>("SELECT sent FROM background_task")[0];
    assert!((1..CONTENTS).contains(&purged), "killed in the middle: {purged}");
    let left = "SELECT count(*) FROM message WHERE content = 0";
    assert_eq!(home.query::<i64>(left), [CONTENTS - purged], "as many as it says");

    let relay = home.serve(&[]).await;
    let data = finished(&relay, &task).await;
    assert_eq!(data, json!({ "messagesPurged": CONTENTS }));
    assert_eq!(home.query::<i64>("SELECT sum(length(payload)) FROM message"), [0]);
    let answers = "SELECT DISTINCT response FROM attempt";
    assert_eq!(home.query::<String>(answers), ["EXPUNGED"]);
}

/// Kills a service whose task has begun to send, and starts it again; it sends the rest.
async fn survives_a_kill(what: &str, before: Before) -> (Home, Relay, String) {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let (mut relay, task) = sending(&home, &receiver, what, before).await;
    relay.kill().await;
    let sent = home.query::<i64>("SELECT sent FROM background_task")[0];
    assert!((1..MANY).contains(&sent), "killed in the middle: {sent}");

    let relay = home.serve(&[]).await;
    all_sent(&home, &receiver, &relay, &task, before).await;
    (home, relay, task)
}

/// A service whose task has begun to send many messages.
async fn sending(home: &Home, receiver: &Receiver, what: &str, before: Before) -> (Relay, String) {
    let (app, endpoint) = filled(home, receiver, MANY, before).await;
    let relay = home.serve(&[]).await;
    let body = json!({ "since": (Timestamp::now() - HOUR).to_string() }).to_string();
    let path = format!("/app/{app}/endpoint/{endpoint}/{what}");
    let task = relay.call("POST", &path, &body).await.expect(202).text("id");
    under_way(home).await;
    (relay, task)
}

/// Waits until the only task has done something.
async fn under_way(home: &Home) {
    eventually("under way", async || home.query::<i64>("SELECT sent FROM background_task") != [0])
        .await;
}

/// Waits until a task is finished, and returns what it says of it.
async fn finished(relay: &Relay, task: &str) -> Value {
    let path = format!("/background-task/{task}");
    let get = async || relay.call("GET", &path, "").await.expect(200).json();
    eventually("finished", async || get().await["status"] == "finished").await;
    get().await["data"].clone()
}

/// Waits until the task is finished and all is delivered, and checks that nothing was passed over or sent by two
/// deliveries.
async fn all_sent(home: &Home, receiver: &Receiver, relay: &Relay, task: &str, before: Before) {
    assert_eq!(finished(relay, task).await, json!({ "messagesSent": MANY }));
    eventually("delivered", async || home.query::<i64>("SELECT count(*) FROM delivery") == [0])
        .await;
    let attempts = "SELECT count(*) FROM attempt GROUP BY message ORDER BY 1";
    let each = if before == Before::NeverSent { 1 } else { 2 };
    assert_eq!(home.query::<i64>(attempts), vec![each; MANY as usize], "one more than before");
    let delivered = "SELECT count(*) FROM attempt WHERE status = 0 AND trigger_type = 1";
    assert_eq!(home.query::<i64>(delivered), [MANY]);
    // What was under way at a kill may have come twice.
    let received = receiver.received("/hook");
    let mut ids: Vec<_> = received.iter().map(|one| one.header("svix-id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as i64, MANY);
}

/// The ids of an application and its endpoint, with so many messages in the database of a service that does not run.
async fn filled(home: &Home, receiver: &Receiver, many: i64, before: Before) -> (String, String) {
    let mut relay = home.serve(&[]).await;
    let (app, mut endpoints) = relay.application(&[&receiver.url("/hook")]).await;
    relay.terminate().await;
    relay.wait(PATIENCE).await;
    let endpoint = endpoints.remove(0);
    let ids = (app.parse().expect("an id"), endpoint.parse().expect("an id"));
    fill(home, ids, many, before).expect("messages in the database");
    (app, endpoint)
}

/// Messages of the last half hour, put into the database of a service that does not run.
fn fill(
    home: &Home,
    (app, endpoint): (AppId, EndpointId),
    many: i64,
    before: Before,
) -> rusqlite::Result<()> {
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
             VALUES (?1, ?2, ?3, ?4, ?5, '', ?6, 500, 'an answer', 1, 0, ?7)",
        )?;
        let begin = Timestamp::now() - HOUR / 2;
        for n in 0..many {
            let at = begin + Duration::from_millis(n as u64 * 50);
            let id = MessageId::at(at);
            message.execute((org, app, id, at.as_micros()))?;
            if before != Before::NeverSent {
                let (own, status) = (AttemptId::at(at), before as u8);
                attempt.execute((org, app, id, endpoint, own, status, at.as_micros()))?;
            }
        }
    }
    tx.commit()
}
