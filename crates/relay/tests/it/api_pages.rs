//! Pages: every list, forward to its end and back to its start.

use linchpin::time::Timestamp;
use relay::ids::{AppId, EndpointId, MessageId};
use serde_json::{Value, json};

use crate::api::{Api, ids};

const LIMITS: [usize; 5] = [1, 2, 3, 7, 250];

/// Asserts that a list gives `count` items in `order`, whatever the size of its pages.
async fn check(api: &Api, list: &str, id: &str, count: usize, ascending: bool) {
    for limit in LIMITS {
        let found = api.walk(list, limit, id).await;
        assert_eq!(found.len(), count, "{list} {limit}");
        let mut sorted = found.clone();
        sorted.sort_unstable();
        if !ascending {
            sorted.reverse();
        }
        assert_eq!(found, sorted, "{list} {limit}");
    }
}

/// A page of 250 large messages would be 250 MiB of memory.
#[linchpin_testing::test]
async fn a_page_has_no_more_than_8_mebibytes_of_payload_but_for_its_last_message() {
    let api = Api::new();
    api.app("shop").await;
    let payload = json!({ "x": "x".repeat(1_000_000) });
    for _ in 0..11 {
        api.post("/app/shop/msg", json!({ "eventType": "a", "payload": payload })).await.ok(202);
    }
    let page = async |iterator: &str| {
        let page = api.get(&format!("/app/shop/msg?limit=250{iterator}")).await.ok(200);
        (ids(&page, "id"), page["done"].as_bool().unwrap())
    };
    let (newest, done) = page("").await;
    assert_eq!((newest.len(), done), (9, false));
    let (oldest, done) = page(&format!("&iterator={}", newest[8])).await;
    assert_eq!((oldest.len(), done), (2, true));
    // Back from the last one, the nearest come first, in the order of the list.
    let all = [newest, oldest].concat();
    assert_eq!(page(&format!("&iterator=-{}", all[10])).await, (all[1..10].to_vec(), false));
    assert_eq!(page(&format!("&iterator=-{}", all[1])).await, (all[..1].to_vec(), true));
}

#[linchpin_testing::test]
async fn every_list_is_walked_whole_both_ways() {
    let api = Api::new();
    let app = api.app("shop").await;
    // As they were made: two of one moment are listed in any order.
    let (mut endpoints, mut messages) = (Vec::new(), Vec::new());
    let id = |made: Value| made["id"].as_str().unwrap().to_owned();
    for n in 0..6 {
        api.app(&format!("shop{n}")).await;
        api.post("/event-type", json!({ "name": format!("type.{n}"), "description": "" }))
            .await
            .ok(201);
        let endpoint = json!({ "url": "https://example.com/" });
        endpoints.push(id(api.post("/app/shop/endpoint", endpoint).await.ok(201)));
        let message = json!({ "eventType": "a", "payload": {} });
        messages.push(id(api.post("/app/shop/msg", message).await.ok(202)));
    }
    let (first, endpoint, message) = (&endpoints[0], &endpoints[5], &messages[5]);
    crate::api_attempt::insert(&api, app, message, endpoint, 8).await;

    check(&api, "/app", "id", 7, true).await;
    check(&api, "/app?order=descending", "id", 7, false).await;
    check(&api, "/event-type", "name", 6, true).await;
    check(&api, "/app/shop/endpoint", "id", 6, false).await;
    check(&api, "/app/shop/endpoint?order=ascending", "id", 6, true).await;
    check(&api, "/app/shop/msg", "id", 6, false).await;
    check(&api, &format!("/app/shop/attempt/msg/{message}"), "id", 8, false).await;
    check(&api, &format!("/app/shop/attempt/endpoint/{endpoint}"), "id", 8, false).await;
    check(&api, &format!("/app/shop/attempt/msg/{message}?status=2"), "id", 5, false).await;
    // Six messages went to some of six endpoints, the last one to all of them.
    let attempted = format!("/app/shop/endpoint/{endpoint}/msg");
    check(&api, &attempted, "id", 1, false).await;
    check(&api, &format!("/app/shop/msg/{message}/endpoint"), "id", 6, true).await;
    check(&api, &format!("/app/shop/endpoint/{first}/msg?status=3"), "id", 6, false).await;
}

#[linchpin_testing::test]
async fn fifty_come_unless_another_limit_is_asked_for() {
    let api = Api::new();
    for n in 0..51 {
        api.app(&format!("app{n}")).await;
    }
    let page = api.get("/app").await.ok(200);
    assert_eq!((ids(&page, "id").len(), &page["done"]), (50, &json!(false)));
    let page = api.get("/app?limit=51").await.ok(200);
    assert_eq!((ids(&page, "id").len(), &page["done"]), (51, &json!(true)));
}

#[linchpin_testing::test]
async fn an_iterator_need_not_exist() {
    let api = Api::new();
    let before = AppId::min_at(Timestamp::now());
    let first = api.app("a").await;
    let page = api.get(&format!("/app?iterator={before}")).await.ok(200);
    assert_eq!(ids(&page, "id"), [first.to_string()]);
    api.delete("/app/a").await.empty(204);
    let second = api.app("b").await;
    let page = api.get(&format!("/app?iterator={first}")).await.ok(200);
    let newer = if second > first { vec![second.to_string()] } else { vec![] };
    assert_eq!(ids(&page, "id"), newer);
}

#[linchpin_testing::test]
async fn a_bad_limit_iterator_or_order_is_refused() {
    let api = Api::new();
    api.app("shop").await;
    let now = Timestamp::now();
    let (endpoint, message) = (EndpointId::at(now), MessageId::at(now));
    for list in ["/app", "/event-type", "/app/shop/endpoint", "/app/shop/msg"] {
        for limit in ["0", "251", "-1"] {
            let reply = api.get(&format!("{list}?limit={limit}")).await;
            assert_eq!(reply.faults("value_error"), ["query.limit.limit"], "{list}");
        }
        for limit in ["many", "1.5", ""] {
            let reply = api.get(&format!("{list}?limit={limit}")).await;
            reply.error(400, "generic_error");
            assert!(reply.json()["detail"].as_str().unwrap().contains("limit"));
        }
    }
    for (list, iterator) in [
        ("/app", endpoint.to_string()),
        ("/app", "app_short".to_owned()),
        ("/app", "-".to_owned()),
        ("/app", "shop".to_owned()),
        ("/app/shop/endpoint", format!("-{message}")),
        ("/app/shop/msg", endpoint.to_string()),
        ("/app/shop/msg", format!("{message}x")),
    ] {
        let reply = api.get(&format!("{list}?iterator={iterator}")).await;
        assert_eq!(reply.faults("value_error"), ["query.iterator.__all__"], "{iterator}");
    }
    let reply = api.get("/app?limit=0&iterator=x").await;
    assert_eq!(reply.faults("value_error"), ["query.limit.limit", "query.iterator.__all__"]);
    api.get("/app?order=sideways").await.error(400, "generic_error");
}
