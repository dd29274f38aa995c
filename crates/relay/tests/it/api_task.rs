//! Background tasks: what a recovery and a replay send, how they are shown, and that they go on where they were.

mod bulk;
pub(crate) mod shop;

use std::time::Duration;

use http::Method;
use linchpin::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::Sql as _;
use relay::ids::{OrgId, TaskId};
use relay::store::prune_tasks;
use serde_json::{Value, json};

use self::shop::Shop;
use crate::api::{app_token, ids, org_token};
use crate::process::eventually;

const HOUR: Duration = Duration::from_hours(1);
const SUCCESS: u8 = 0;
const FAIL: u8 = 2;
const CANCELED: u8 = 4;

#[linchpin_testing::test]
async fn a_recovery_sends_what_failed_and_was_not_delivered_since() {
    let shop = Shop::new(json!({})).await;
    let failed = shop.message(2 * HOUR, &[FAIL]).await;
    let often = shop.message(2 * HOUR, &[FAIL, FAIL, FAIL]).await;
    shop.message(2 * HOUR, &[FAIL, SUCCESS]).await;
    shop.message(2 * HOUR, &[SUCCESS]).await;
    shop.message(2 * HOUR, &[]).await;
    shop.message(4 * HOUR, &[FAIL]).await;
    let waits = shop.message(2 * HOUR, &[FAIL]).await;
    shop.pending(waits, false).await;
    let under_way = shop.message(2 * HOUR, &[FAIL]).await;
    shop.pending(under_way, true).await;
    let task = shop.begin("recover", shop.since(3 * HOUR)).await;

    let ended = shop.ended(&task).await;
    assert_eq!(
        (&ended["status"], &ended["data"]),
        (&json!("finished"), &json!({ "messagesSent": 3 }))
    );
    let mut expected = vec![
        (failed, 0, true, false, true),
        (often, 0, true, false, true),
        (waits, 1, true, false, false),
        (under_way, 1, false, true, false),
    ];
    expected.sort_unstable();
    assert_eq!(shop.deliveries().await, expected);
}

#[linchpin_testing::test]
async fn a_recovery_sends_what_was_given_up_without_an_attempt() {
    let shop = Shop::new(json!({})).await;
    let never = shop.message(2 * HOUR, &[CANCELED]).await;
    let once = shop.message(2 * HOUR, &[FAIL, CANCELED]).await;
    shop.message(2 * HOUR, &[CANCELED, SUCCESS]).await;
    let task = shop.begin("recover", shop.since(3 * HOUR)).await;
    assert_eq!(shop.ended(&task).await["data"], json!({ "messagesSent": 2 }));
    let mut expected = [(never, 0, true, false, true), (once, 0, true, false, true)];
    expected.sort_unstable();
    assert_eq!(shop.deliveries().await, expected);
}

#[linchpin_testing::test]
async fn a_recovery_ends_where_it_is_told_to() {
    let shop = Shop::new(json!({})).await;
    shop.message(2 * HOUR, &[FAIL]).await;
    let inside = shop.message(4 * HOUR, &[FAIL]).await;
    let mut body = shop.since(5 * HOUR);
    body["until"] = (shop.now - 3 * HOUR).to_string().into();
    let task = shop.begin("recover", body).await;
    assert_eq!(shop.ended(&task).await["data"], json!({ "messagesSent": 1 }));
    assert_eq!(shop.deliveries().await, [(inside, 0, true, false, true)]);
}

#[linchpin_testing::test]
async fn w09_a_replay_sends_what_the_endpoint_wants_and_never_was_sent() {
    let wants = json!({ "channels": ["eu", "us"] });
    let shop = Shop::new(wants).await;
    let (eu, asia) = (json!(["eu", "asia"]), json!(["asia"]));
    let missing = shop.message_of("paid", eu.clone(), 2 * HOUR, &[]).await;
    shop.message_of("paid", eu.clone(), 2 * HOUR, &[SUCCESS]).await;
    shop.message_of("paid", eu.clone(), 2 * HOUR, &[FAIL]).await;
    shop.message_of("paid", asia, 2 * HOUR, &[]).await;
    shop.message_of("paid", Value::Null, 2 * HOUR, &[]).await;
    shop.message_of("paid", eu.clone(), 4 * HOUR, &[]).await;
    let waits = shop.message_of("paid", eu, 2 * HOUR, &[]).await;
    shop.pending(waits, false).await;
    let task = shop.begin("replay-missing", shop.since(3 * HOUR)).await;
    assert_eq!(task["task"], "endpoint.replay");

    let ended = shop.ended(&task).await;
    assert_eq!(
        (&ended["status"], &ended["data"]),
        (&json!("finished"), &json!({ "messagesSent": 1 }))
    );
    let mut expected = vec![(missing, 0, true, false, true), (waits, 1, false, false, false)];
    expected.sort_unstable();
    assert_eq!(shop.deliveries().await, expected);
}

#[linchpin_testing::test]
async fn a_task_that_is_cut_off_goes_on_where_it_was() {
    let shop = Shop::new(json!({})).await;
    shop.failures(3_000).await;
    let task = shop.begin("recover", shop.since(24 * HOUR)).await;
    let sent = async || shop.task(&task).await["data"]["messagesSent"].as_u64().unwrap();

    let ctx = Context::root().child();
    let background = shop.background(&ctx);
    eventually("under way", async || sent().await > 0).await;
    ctx.cancel("a shutdown");
    assert_eq!(background.drain(&Context::root()).await, 1, "cut off");
    // A submission that has begun is committed though nobody waits for it any more.
    shop.write(|_| Ok(())).await;
    let before = sent().await;
    assert!(before < 3_000, "{before}");
    assert_eq!(shop.task(&task).await["status"], "running");
    assert_eq!(shop.deliveries().await.len() as u64, before, "as many as it says");

    let ended = shop.ended(&task).await;
    assert_eq!(
        (&ended["status"], &ended["data"]["messagesSent"]),
        (&json!("finished"), &json!(3_000))
    );
    assert_eq!(shop.deliveries().await.len(), 3_000);
}

#[linchpin_testing::test]
async fn a_task_fails_with_its_reason_when_its_endpoint_receives_no_more() {
    for (change, reason) in [
        (Method::PATCH, "The endpoint is disabled and gets nothing; enable it first"),
        (Method::DELETE, "The endpoint is deleted"),
    ] {
        let shop = Shop::new(json!({})).await;
        shop.failures(1).await;
        let task = shop.begin("recover", shop.since(24 * HOUR)).await;
        let body = json!({ "disabled": true });
        let changed = shop.api.call(change, "/app/shop/endpoint/hook", body).await;
        assert!(changed.status < 300, "{changed:?}");
        let ended = shop.ended(&task).await;
        assert_eq!(ended["status"], "failed");
        assert_eq!(ended["data"], json!({ "messagesSent": 0, "error": reason }));
        assert_eq!(shop.deliveries().await, []);
    }
}

#[linchpin_testing::test]
async fn tasks_of_a_deleted_application_fail_with_the_reason_unless_they_purge() {
    let shop = Shop::new(json!({})).await;
    shop.message(2 * HOUR, &[FAIL]).await;
    let mut tasks = Vec::new();
    for what in ["recover", "replay-missing", "bulk-replay"] {
        tasks.push(shop.begin(what, shop.since(24 * HOUR)).await);
    }
    let purge = shop.api.post("/app/shop/msg/expunge-all-contents", Value::Null).await.ok(202);
    shop.api.delete("/app/shop").await.empty(204);
    let ctx = Context::root().child();
    let background = shop.background(&ctx);
    for task in tasks {
        eventually("ended", async || shop.task(&task).await["status"] != "running").await;
        let ended = shop.task(&task).await;
        assert_eq!(ended["status"], "failed", "{ended}");
        assert_eq!(
            ended["data"],
            json!({ "messagesSent": 0, "error": "The application is deleted" })
        );
    }
    eventually("ended", async || shop.task(&purge).await["status"] != "running").await;
    let ended = shop.task(&purge).await;
    assert_eq!(ended["status"], "finished", "{ended}");
    assert_eq!(ended["data"], json!({ "messagesPurged": 1 }));
    assert_eq!(shop.api.number("SELECT count(*) FROM message WHERE content = 2").await, 1);
    let answers = "SELECT count(*) FROM attempt WHERE response = 'EXPUNGED'";
    assert_eq!(shop.api.number(answers).await, 1);
    ctx.cancel("enough");
    background.drain(&Context::root()).await;
    assert_eq!(shop.deliveries().await, []);
}

#[linchpin_testing::test]
async fn a_task_of_a_newer_relay_is_skipped() {
    let shop = Shop::new(json!({})).await;
    let newer = TaskId::at(shop.now);
    let (org, now) = (shop.api.org, shop.now.as_micros());
    shop.write(move |tx| {
        tx.execute(
            "INSERT INTO background_task (org, id, kind, status, since, until, params, mark, sent, created_at, updated_at)
             VALUES (?1, ?2, 'message.broadcast', 'running', 0, 0, 'anything', x'00', 7, ?3, ?3)",
            (org, newer, now),
        )
        .sql("insert")
    })
    .await;
    shop.message(2 * HOUR, &[FAIL]).await;
    let task = shop.begin("recover", shop.since(24 * HOUR)).await;
    assert_eq!(shop.ended(&task).await["data"], json!({ "messagesSent": 1 }), "the next one");
    let shown = json!({
        "id": newer.to_string(), "status": "running", "task": "message.broadcast", "data": {},
        "updatedAt": shop.now.to_string(),
    });
    assert_eq!(shop.task(&json!({ "id": newer.to_string() })).await, shown);
    let list = shop.api.get("/background-task?task=message.broadcast").await.ok(200);
    assert_eq!(list["data"], json!([shown]));
}

#[linchpin_testing::test]
async fn a_task_waits_until_storage_heals() {
    let shop = Shop::new(json!({})).await;
    shop.failures(400).await;
    let task = shop.begin("recover", shop.since(24 * HOUR)).await;
    let limit = |pages: &'static str| {
        shop.write(move |tx| {
            tx.query_row(&format!("PRAGMA max_page_count = {pages}"), (), |_| Ok(())).sql("limit")
        })
    };
    // SQLite takes no less than there is.
    limit("1").await;
    let ctx = Context::root().child();
    let tried = || shop.api.database.writer().stats().submissions;
    let before = tried();
    let background = shop.background(&ctx);
    eventually("refused", async || tried() > before).await;
    let stored = "SELECT count(*) FROM delivery";
    assert_eq!(shop.api.number(stored).await, 0, "all of a part or nothing");
    limit("1000000").await;
    eventually("finished", async || shop.task(&task).await["status"] == "finished").await;
    ctx.cancel("enough");
    background.drain(&Context::root()).await;
    assert_eq!(shop.api.number(stored).await, 400);
}

#[linchpin_testing::test]
async fn a_task_is_shown_as_it_was_begun_and_only_once_for_one_key() {
    let shop = Shop::new(json!({})).await;
    let body = shop.since(HOUR).to_string();
    let path = "/app/shop/endpoint/hook/recover";
    let task = shop.api.post_once("key", path, &body).await.ok(202);
    assert!(task["id"].as_str().unwrap().starts_with("qtask_"), "{task}");
    let shape = json!({
        "id": task["id"], "status": "running", "task": "endpoint.recover", "data": { "messagesSent": 0 },
        "updatedAt": task["updatedAt"],
    });
    assert_eq!(task, shape);
    assert_eq!(shop.task(&task).await, task);
    let again = shop.api.post_once("key", path, &body).await;
    assert_eq!(
        (again.ok(202), &again.headers["idempotent-replayed"]),
        (task, &"true".parse().unwrap())
    );
    assert_eq!(shop.api.number("SELECT count(*) FROM background_task").await, 1);
}

#[linchpin_testing::test]
async fn w09_tasks_are_listed_by_status_and_name_to_those_whose_they_are() {
    let shop = Shop::new(json!({})).await;
    let recovery = shop.begin("recover", shop.since(HOUR)).await;
    shop.ended(&recovery).await;
    let replay = shop.begin("replay-missing", shop.since(HOUR)).await;
    let (recovery, replay) = (recovery["id"].clone(), replay["id"].clone());
    for (query, expected) in [
        ("", vec![&replay, &recovery]),
        ("?order=ascending", vec![&recovery, &replay]),
        ("?status=running", vec![&replay]),
        ("?status=finished", vec![&recovery]),
        ("?status=failed", vec![]),
        ("?task=endpoint.replay", vec![&replay]),
        ("?task=application.stats", vec![]),
        ("?status=finished&task=endpoint.recover", vec![&recovery]),
    ] {
        let page = shop.api.get(&format!("/background-task{query}")).await.ok(200);
        assert_eq!(ids(&page, "id").iter().collect::<Vec<_>>(), expected, "{query}");
    }
    shop.api.get("/background-task?status=tired").await.error(400, "generic_error");

    let other = shop.api.app("other").await;
    let path = format!("/background-task/{}", replay.as_str().unwrap());
    for (token, sees) in [
        (app_token(shop.api.org, shop.app), true),
        (app_token(shop.api.org, other), false),
        (org_token(OrgId::at(shop.now)), false),
    ] {
        let list = shop.api.call_as(&token, Method::GET, "/background-task", Value::Null).await;
        assert_eq!(ids(&list.ok(200), "id").len(), if sees { 2 } else { 0 });
        let one = shop.api.call_as(&token, Method::GET, &path, Value::Null).await;
        assert_eq!(one.status, if sees { 200 } else { 404 });
    }
    for id in ["nonsense", "qtask_2KWPBeBvfIpdH7cf3xZi3GddiDo"] {
        shop.api.get(&format!("/background-task/{id}")).await.not_found();
    }
}

#[linchpin_testing::test]
async fn what_cannot_be_sent_again_is_refused() {
    let shop = Shop::new(json!({})).await;
    let recover = "/app/shop/endpoint/hook/recover";
    let replay = "/app/shop/endpoint/hook/replay-missing";
    let at = |ago: Duration| (shop.now - ago).to_string();
    let day = 24 * HOUR;
    for (path, body, status) in [
        (recover, json!({ "since": at(14 * day) }), 202),
        (recover, json!({ "since": at(15 * day) }), 422),
        (recover, json!({ "since": at(20 * day), "until": at(7 * day) }), 202),
        (recover, json!({ "since": at(HOUR), "until": at(2 * HOUR) }), 422),
        (recover, json!({ "since": (shop.now + day).to_string() }), 422),
        (replay, json!({ "since": at(90 * day) }), 202),
        (replay, json!({ "since": at(HOUR), "until": at(2 * HOUR) }), 422),
        (replay, json!({ "since": at(HOUR), "until": (shop.now + day).to_string() }), 202),
    ] {
        let reply = shop.api.post(path, body.clone()).await;
        assert_eq!(reply.status, status, "{path} {body}");
        if status == 422 {
            assert_eq!(reply.faults("value_error"), ["body.since"]);
        }
    }
    let reply = shop.api.post(recover, json!({})).await;
    assert_eq!(reply.faults("value_error.jsondecode"), ["body.."]);
    let reply = shop.api.post(recover, json!({ "since": "yesterday" })).await;
    assert_eq!(reply.faults("value_error.jsondecode"), ["body.since"]);
    for path in ["/app/shop/endpoint/nope/recover", "/app/nope/endpoint/hook/replay-missing"] {
        shop.api.post(path, shop.since(HOUR)).await.not_found();
    }
    shop.api.patch("/app/shop/endpoint/hook", json!({ "disabled": true })).await.ok(200);
    shop.api.post(recover, shop.since(HOUR)).await.error(409, "endpoint_disabled");
}

#[linchpin_testing::test]
async fn tasks_are_kept_for_a_while_after_their_end() {
    let shop = Shop::new(json!({})).await;
    let done = shop.begin("recover", shop.since(HOUR)).await;
    shop.ended(&done).await;
    shop.begin("recover", shop.since(HOUR)).await;
    let later = Timestamp::now() + HOUR;
    assert_eq!(shop.write(move |tx| prune_tasks(tx, later - 2 * HOUR, 10)).await, 0);
    assert_eq!(shop.write(move |tx| prune_tasks(tx, later, 10)).await, 1, "that which ended");
    assert_eq!(
        shop.api.number("SELECT count(*) FROM background_task WHERE status = 'running'").await,
        1
    );
}
