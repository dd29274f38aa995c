//! A page looks at so much of a list and no more, however little of that it shows.

use std::time::Duration;

use linchpin::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};
use relay::ids::{AppId, AttemptId, EndpointId, MessageId};
use serde_json::{Value, json};

use crate::api::{Api, ids};

/// So much a page looks at.
const LOOKS: usize = 20_000;
/// Three pages, and a little.
const ROWS: usize = 3 * LOOKS + 100;

/// Messages to one endpoint that failed at once; `rare` is the type of the first and the last, the others are `common`.
async fn many() -> Api {
    let api = Api::new();
    let app = api.app("shop").await;
    let endpoint = json!({ "url": "https://example.com/", "uid": "hook" });
    let endpoint = api.post("/app/shop/endpoint", endpoint).await.ok(201)["id"].clone();
    let endpoint: EndpointId = endpoint.as_str().unwrap().parse().unwrap();
    let org = api.org;
    let fill = move |tx: &mut Tx<'_>| fill(tx, org, app, endpoint).sql("fill");
    api.database.writer().submit(&Context::root(), fill).await.unwrap();
    api
}

fn fill(
    tx: &mut Tx<'_>,
    org: relay::ids::OrgId,
    app: AppId,
    endpoint: EndpointId,
) -> rusqlite::Result<()> {
    let mut message = tx.prepare(
        "INSERT INTO message (org, app, id, event_type, payload, created_at)
         VALUES (?1, ?2, ?3, ?4, x'7b7d', ?5)",
    )?;
    let mut attempt = tx.prepare(
        "INSERT INTO attempt (org, app, message, endpoint, id, url, status, status_code, response,
                              duration_ms, trigger_type, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, '', ?6, 0, '', 1, 0, ?7)",
    )?;
    let begin = Timestamp::now() - Duration::from_hours(1);
    for n in 0..ROWS {
        // Four milliseconds apart, so that ids are in the order of this loop.
        let at = begin + Duration::from_millis(n as u64 * 8);
        let rare = n == 0 || n == ROWS - 1;
        let id = MessageId::at(at);
        let kind = if rare { "rare" } else { "common" };
        message.execute((org, app, id, kind, at.as_micros()))?;
        let status = if rare { 0 } else { 2 };
        attempt.execute((org, app, id, endpoint, AttemptId::at(at), status, at.as_micros()))?;
    }
    Ok(())
}

/// Walks to the end by `iterator`, or by `prevIterator`; how many items each page has.
async fn walk(api: &Api, list: &str, way: &str, start: &str) -> Vec<usize> {
    let mut pages = Vec::new();
    let mut next = start.to_owned();
    loop {
        let page = api.get(&format!("{list}&limit=50{next}")).await.ok(200);
        pages.push(page["data"].as_array().unwrap().len());
        assert!(pages.len() < 10, "no end: {page}");
        if page["done"] == true {
            return pages;
        }
        next = format!("&iterator={}", page[way].as_str().unwrap());
    }
}

#[linchpin_testing::test]
async fn a_filter_that_finds_nothing_reads_a_bounded_part() {
    let api = many().await;
    for list in [
        "/app/shop/msg?event_types=never",
        "/app/shop/msg?channel=never",
        "/app/shop/msg?tag=never",
        "/app/shop/attempt/endpoint/hook?status_code_class=500",
        "/app/shop/attempt/endpoint/hook?event_types=never",
    ] {
        assert_eq!(walk(&api, list, "iterator", "").await, [0; 4], "{list}");
    }
    // Two rows each: the message, and its attempt.
    let list = "/app/shop/endpoint/hook/msg?status=3";
    assert_eq!(walk(&api, list, "iterator", "").await, [0; 7]);
    let first = api.get("/app/shop/msg?event_types=never").await.ok(200);
    assert_eq!((&first["data"], &first["done"]), (&json!([]), &json!(false)));
    let at = at(&api, LOOKS - 1).await;
    assert_eq!(first["iterator"], at);
}

#[linchpin_testing::test]
async fn what_a_filter_seldom_finds_is_found_both_ways() {
    let api = many().await;
    for list in [
        "/app/shop/msg?event_types=rare",
        "/app/shop/attempt/endpoint/hook?status=0",
        "/app/shop/endpoint/hook/msg?status=0",
    ] {
        let pages = walk(&api, list, "iterator", "").await;
        let (first, last) = (pages[0], pages[pages.len() - 1]);
        assert_eq!((first, last, pages.iter().sum::<usize>()), (1, 1, 2), "{list}");
        // From the oldest, which `after` begins with, back to the newest.
        let since = (Timestamp::now() - Duration::from_hours(2)).to_string();
        let back = walk(&api, &format!("{list}&after={since}"), "prevIterator", "").await;
        assert_eq!(back, pages, "{list}");
    }
    // A page that was cut shows the way back to what it passed over.
    let list = "/app/shop/msg?event_types=rare&limit=50";
    let first = api.get(list).await.ok(200);
    let second = format!("{list}&iterator={}", first["iterator"].as_str().unwrap());
    let second = api.get(&second).await.ok(200);
    assert_eq!(
        (second["data"].as_array().unwrap().len(), &second["done"]),
        (0, &Value::Bool(false))
    );
    let back = format!("{list}&iterator={}", second["prevIterator"].as_str().unwrap());
    let back = api.get(&back).await.ok(200);
    assert_eq!((ids(&back, "id"), &back["done"]), (ids(&first, "id"), &json!(true)));
}

/// The id of the message that stands at this place of the list, newest first.
async fn at(api: &Api, place: usize) -> String {
    let query = move |conn: &rusqlite::Connection| {
        let sql = "SELECT id FROM message ORDER BY id DESC LIMIT 1 OFFSET ?1";
        conn.query_row(sql, [place as i64], |row| row.get::<_, MessageId>(0)).sql(sql)
    };
    api.database.reader().query(&Context::root(), query).await.unwrap().to_string()
}
