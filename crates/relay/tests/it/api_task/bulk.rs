//! A replay of what was sent: which messages its filters choose.

use std::time::Duration;

use linchpin_data::sqlite::Sql as _;
use relay::ids::MessageId;
use serde_json::{Value, json};

use super::shop::Shop;
use super::{CANCELED, FAIL, HOUR, SUCCESS};

/// A message, its attempts with what they were answered, and whether a delivery of it waits.
struct Sent {
    name: &'static str,
    event_type: &'static str,
    channels: Value,
    tags: Value,
    ago: Duration,
    attempts: &'static [(u8, u16)],
    waits: bool,
}

const NOTHING: Value = Value::Null;

fn sent(name: &'static str, attempts: &'static [(u8, u16)]) -> Sent {
    let (channels, tags) = (json!(["eu", "all"]), json!(["vip"]));
    Sent { name, event_type: "paid", channels, tags, ago: 2 * HOUR, attempts, waits: false }
}

fn all() -> Vec<Sent> {
    vec![
        sent("delivered", &[(SUCCESS, 200)]),
        sent("failed", &[(FAIL, 404), (FAIL, 500)]),
        Sent { channels: json!(["us"]), tags: NOTHING, ..sent("unknown", &[(FAIL, 404)]) },
        Sent { event_type: "void", ..sent("healed", &[(FAIL, 500), (SUCCESS, 204)]) },
        Sent { channels: NOTHING, tags: NOTHING, ..sent("canceled", &[(CANCELED, 0)]) },
        Sent { tags: json!(["other"]), waits: true, ..sent("retried", &[(FAIL, 503)]) },
        Sent { waits: true, ..sent("first", &[]) },
        Sent { waits: true, ..sent("delayed", &[]) },
        sent("never", &[]),
        sent("expired", &[(SUCCESS, 200)]),
        Sent { ago: 4 * HOUR, ..sent("old", &[(SUCCESS, 200)]) },
    ]
}

/// Puts a message into the tables.
async fn store(shop: &Shop, sent: &Sent) -> MessageId {
    let statuses: Vec<_> = sent.attempts.iter().map(|(status, _)| *status).collect();
    let channels = sent.channels.clone();
    let id = shop.message_of(sent.event_type, channels, sent.ago, &statuses).await;
    let tags = (!sent.tags.is_null()).then(|| sent.tags.to_string());
    let (attempts, name) = (sent.attempts, sent.name);
    let later = (shop.now + HOUR).as_micros();
    shop.write(move |tx| {
        let mut change = tx
            .prepare("UPDATE message SET tags = ?2, content = ?3, deliver_at = ?4 WHERE id = ?1")
            .sql("prepare")?;
        let deliver_at = (name == "delayed").then_some(later);
        change.execute((id, &tags, name == "expired", deliver_at)).sql("change")?;
        let mut code = tx
            .prepare(
                "UPDATE attempt SET status_code = ?3 WHERE rowid =
                    (SELECT rowid FROM attempt WHERE message = ?1 ORDER BY id LIMIT 1 OFFSET ?2)",
            )
            .sql("prepare")?;
        for (n, (_, status)) in attempts.iter().enumerate() {
            code.execute((id, n as i64, status)).sql("change")?;
        }
        Ok(())
    })
    .await;
    id
}

#[linchpin_testing::test]
async fn a_bulk_replay_takes_all_filters() {
    // What the endpoint wants now does not matter: it was sent.
    let shop = Shop::new(json!({ "channels": ["none"] })).await;
    let mut messages = Vec::new();
    for one in all() {
        messages.push((store(&shop, &one).await, one));
    }
    for (filters, expected) in cases() {
        shop.api.change("DELETE FROM delivery").await;
        for (id, _) in messages.iter().filter(|(_, one)| one.waits) {
            shop.pending(*id, false).await;
        }
        let mut body = shop.since(3 * HOUR);
        body.as_object_mut().unwrap().extend(filters.as_object().unwrap().clone());
        let task = shop.begin("bulk-replay", body).await;
        assert_eq!(task["task"], "endpoint.bulk-replay");
        let ended = shop.ended(&task).await;
        assert_eq!(ended["data"], json!({ "messagesSent": expected.len() }), "{filters}");

        let due = shop.deliveries().await.into_iter().filter(|(_, _, is_due, ..)| *is_due);
        let name = |id| messages.iter().find(|(known, _)| *known == id).unwrap().1.name;
        let mut sent: Vec<_> = due.map(|(id, ..)| name(id)).collect();
        sent.sort_unstable();
        assert_eq!(sent, expected, "{filters}");
    }
}

fn cases() -> Vec<(Value, Vec<&'static str>)> {
    let one = json!({
        "status": 2, "statusCodeClass": 500, "eventTypes": ["paid"], "channel": "eu", "tag": "vip",
    });
    let but = |filter: &str, value: Value| {
        let mut filters = one.clone();
        filters[filter] = value;
        filters
    };
    vec![
        (json!({}), vec!["canceled", "delivered", "failed", "healed", "retried", "unknown"]),
        (json!({ "status": 0 }), vec!["delivered", "healed"]),
        (json!({ "status": 1 }), vec!["first"]),
        (json!({ "status": 2 }), vec!["failed", "unknown"]),
        (json!({ "status": 3 }), vec!["first", "retried"]),
        (json!({ "status": 4 }), vec!["canceled"]),
        (json!({ "statusCodeClass": 0 }), vec!["canceled"]),
        (json!({ "statusCodeClass": 200 }), vec!["delivered", "healed"]),
        (json!({ "statusCodeClass": 400 }), vec!["unknown"]),
        (json!({ "statusCodeClass": 500 }), vec!["failed", "retried"]),
        (json!({ "eventTypes": ["other", "void"] }), vec!["healed"]),
        (json!({ "channel": "eu" }), vec!["delivered", "failed", "healed", "retried"]),
        (json!({ "tag": "vip" }), vec!["delivered", "failed", "healed"]),
        (one.clone(), vec!["failed"]),
        (but("status", json!(0)), vec![]),
        (but("statusCodeClass", json!(400)), vec![]),
        (but("eventTypes", json!(["void"])), vec![]),
        (but("channel", json!("us")), vec![]),
        (but("tag", json!("other")), vec![]),
    ]
}

#[linchpin_testing::test]
async fn a_bulk_replay_ends_where_it_is_told_to() {
    let shop = Shop::new(json!({})).await;
    for one in all() {
        store(&shop, &one).await;
    }
    shop.message(6 * HOUR, &[SUCCESS]).await;
    let mut body = shop.since(5 * HOUR);
    body["until"] = (shop.now - 3 * HOUR).to_string().into();
    let task = shop.begin("bulk-replay", body).await;
    assert_eq!(shop.ended(&task).await["data"], json!({ "messagesSent": 1 }));
}

#[linchpin_testing::test]
async fn a_filter_that_chooses_nothing_ever_is_refused() {
    let shop = Shop::new(json!({})).await;
    let refused = async |filter: Value| {
        let mut body = shop.since(HOUR);
        body.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        shop.api.post("/app/shop/endpoint/hook/bulk-replay", body).await
    };
    for (filter, place) in [
        (json!({ "status": 5 }), "body.status"),
        (json!({ "eventTypes": [] }), "body.eventTypes"),
        (json!({ "eventTypes": ["a b"] }), "body.eventTypes.[0].__all__"),
        (json!({ "channel": "" }), "body.channel.__all__"),
        (json!({ "tag": "a b" }), "body.tag.__all__"),
        (json!({ "until": "2020-01-01T00:00:00Z" }), "body.since"),
    ] {
        assert_eq!(refused(filter).await.faults("value_error"), [place]);
    }
    let reply = refused(json!({ "statusCodeClass": 450 })).await;
    assert_eq!(reply.faults("value_error.jsondecode"), ["body.statusCodeClass"]);
}
