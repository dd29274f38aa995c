//! Attempts, which the dispatcher records and the API shows.

use std::time::Duration;

use linchpin::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::Sql as _;
use relay::ids::{AppId, AttemptId, EndpointId, MessageId};
use serde_json::json;

use crate::api::{Api, ids};

/// Records `count` attempts, one a minute up to now, oldest first: every third one succeeded, the others were answered
/// 500 or not at all.
pub(crate) async fn insert(
    api: &Api,
    app: AppId,
    message: &str,
    endpoint: &str,
    count: u32,
) -> Vec<String> {
    let message: MessageId = message.parse().unwrap();
    let endpoint: EndpointId = endpoint.parse().unwrap();
    let (org, now) = (api.org, Timestamp::now());
    let insert = move |tx: &mut linchpin_data::sqlite::Tx<'_>| {
        let mut ids = Vec::new();
        for index in 0..count {
            let at = now - Duration::from_mins(u64::from(count - index));
            let id = AttemptId::at(at);
            let (status, code) = [(0, 200), (2, 500), (2, 0)][index as usize % 3];
            tx.execute(
                "INSERT INTO attempt (org, app, message, endpoint, id, url, status, status_code, response,
                                      duration_ms, trigger_type, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, 'https://example.com/', ?6, ?7, 'hello', 12, 0, ?8)",
                (org, app, message, endpoint, id, status, code, at.as_micros()),
            )
            .sql("insert")?;
            ids.push(id.to_string());
        }
        Ok(ids)
    };
    api.database.writer().submit(&Context::root(), insert).await.unwrap()
}

struct Sent {
    api: Api,
    message: String,
    endpoint: String,
    attempts: Vec<String>,
}

async fn sent(count: u32) -> Sent {
    let api = Api::new();
    let app = api.app("shop").await;
    let endpoint = json!({ "url": "https://example.com/", "uid": "hook" });
    let endpoint = api.post("/app/shop/endpoint", endpoint).await.ok(201)["id"].clone();
    let message =
        json!({ "eventType": "paid", "payload": { "a": 1 }, "eventId": "e1", "channels": ["x"] });
    let message = api.post("/app/shop/msg", message).await.ok(202)["id"].clone();
    let (message, endpoint) =
        (message.as_str().unwrap().to_owned(), endpoint.as_str().unwrap().to_owned());
    let attempts = insert(&api, app, &message, &endpoint, count).await;
    Sent { api, message, endpoint, attempts }
}

#[linchpin_testing::test]
async fn an_attempt_is_shown_whole() {
    let Sent { api, message, endpoint, attempts } = sent(2).await;
    let path = format!("/app/shop/msg/e1/attempt/{}", attempts[1]);
    let shown = api.get(&path).await.ok(200);
    assert_eq!(
        shown,
        json!({
            "id": attempts[1], "url": "https://example.com/", "response": "hello", "responseStatusCode": 500,
            "responseDurationMs": 12, "status": 2, "statusText": "fail", "triggerType": 0, "msgId": message,
            "endpointId": endpoint, "timestamp": shown["timestamp"],
        })
    );
    let other = json!({ "eventType": "paid", "payload": {}, "eventId": "e2" });
    api.post("/app/shop/msg", other).await.ok(202);
    for path in [
        format!("e2/attempt/{}", attempts[1]),
        "e1/attempt/nonsense".to_owned(),
        "e1/attempt/atmpt_2KWPBeBvfIpdH7cf3xZi3GddiDo".to_owned(),
    ] {
        api.get(&format!("/app/shop/msg/{path}")).await.not_found();
    }
}

#[linchpin_testing::test]
async fn lists_are_filtered() {
    let Sent { api, message, endpoint, attempts } = sent(6).await;
    let newest_first: Vec<_> = attempts.iter().rev().cloned().collect();
    let pick = |wanted: &[usize]| wanted.iter().map(|&n| attempts[n].clone()).collect::<Vec<_>>();
    let middle = Timestamp::now() - Duration::from_secs(210);
    let middle = middle.to_string();
    for list in [
        format!("/app/shop/attempt/endpoint/{endpoint}"),
        "/app/shop/attempt/endpoint/hook".to_owned(),
        format!("/app/shop/attempt/msg/{message}"),
        "/app/shop/attempt/msg/e1".to_owned(),
        "/app/shop/msg/e1/attempt".to_owned(),
        format!("/app/shop/msg/{message}/endpoint/hook/attempt"),
    ] {
        for (query, wanted) in [
            (String::new(), newest_first.clone()),
            ("status=0".to_owned(), pick(&[3, 0])),
            ("status=2".to_owned(), pick(&[5, 4, 2, 1])),
            ("status=1".to_owned(), vec![]),
            ("status_code_class=500".to_owned(), pick(&[4, 1])),
            ("status_code_class=0".to_owned(), pick(&[5, 2])),
            ("status_code_class=200&status=2".to_owned(), vec![]),
            ("channel=x&event_types=paid,sent".to_owned(), newest_first.clone()),
            ("channel=y".to_owned(), vec![]),
            ("event_types=sent".to_owned(), vec![]),
            ("tag=x".to_owned(), vec![]),
            (format!("before={middle}"), pick(&[2, 1, 0])),
            (format!("after={middle}"), pick(&[5, 4, 3])),
            ("expanded_statuses=true&with_msg=true".to_owned(), newest_first.clone()),
        ] {
            let page = api.get(&format!("{list}?{query}")).await.ok(200);
            assert_eq!(ids(&page, "id"), wanted, "{list}?{query}");
        }
        let page = api.get(&format!("{list}?with_content=false&limit=1")).await.ok(200);
        assert_eq!(page["data"][0]["response"], "{}");
        assert!(page["data"][0].get("msg").is_none());
        for (query, payload) in [("", json!({ "a": 1 })), ("&with_content=false", json!({}))] {
            let page = api.get(&format!("{list}?with_msg=true&limit=1{query}")).await.ok(200);
            let shown = &page["data"][0]["msg"];
            assert_eq!((&shown["id"], &shown["payload"]), (&json!(message), &payload), "{list}");
        }
        api.get(&format!("{list}?status_code_class=201")).await.error(400, "generic_error");
    }
    for path in ["e2/attempt", "e1/endpoint/nope/attempt", "e2/endpoint/hook/attempt"] {
        api.get(&format!("/app/shop/msg/{path}")).await.not_found();
    }
    for (query, status) in [("endpoint_id=hook", 200), ("endpoint_id=nope", 404)] {
        let reply = api.get(&format!("/app/shop/attempt/msg/e1?{query}")).await;
        assert_eq!(reply.status, status);
    }
}

#[linchpin_testing::test]
async fn after_alone_begins_with_the_oldest_and_goes_on_backwards() {
    let Sent { api, attempts, .. } = sent(6).await;
    let since = (Timestamp::now() - Duration::from_hours(1)).to_string();
    let list = format!("/app/shop/attempt/msg/e1?after={since}&limit=4");
    let page = api.get(&list).await.ok(200);
    let oldest: Vec<_> = attempts[..4].iter().rev().cloned().collect();
    assert_eq!((ids(&page, "id"), &page["done"]), (oldest, &json!(false)));
    let previous = page["prevIterator"].as_str().unwrap();
    let page = api.get(&format!("{list}&iterator={previous}")).await.ok(200);
    let newest: Vec<_> = attempts[4..].iter().rev().cloned().collect();
    assert_eq!((ids(&page, "id"), &page["done"]), (newest, &json!(true)));
}
