//! Numbers of an endpoint, held against a count of its attempts one by one.

#[path = "../../examples/shared/hours.rs"]
mod hours;

use std::time::Duration;

use linchpin::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};
use relay::ids::{AttemptId, OrgId};
use rusqlite::Connection;
use serde_json::{Value, json};

use self::hours::UNLIKE;
use crate::api::{Api, app_token, org_token};
use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, Relay, eventually};

const HOUR: i64 = 3_600_000_000;
/// When each attempt began and how it ended, in one number.
const MADE: &str = "SELECT created_at * 8 + status FROM attempt";

fn shown(micros: i64) -> String {
    Timestamp::from_micros(micros).to_string()
}

/// Asserts of windows that begin and end at attempts, at full hours and a microsecond beside, that both routes say what is true.
async fn compare(made: &[i64], endpoint: &str, ask: impl AsyncFn(String) -> Value) {
    let mut at: Vec<i64> = made.iter().map(|one| one / 8).collect();
    at.sort_unstable();
    let (first, middle, last) = (at[0], at[at.len() / 2], at[at.len() - 1]);
    let full = middle - middle % HOUR;
    let edges = [first, middle, last, full, full + HOUR]
        .iter()
        .flat_map(|edge| [edge - 1, *edge, edge + 1])
        .filter(|edge| *edge < Timestamp::now().as_micros())
        .collect::<Vec<_>>();
    for since in &edges {
        for until in edges.iter().filter(|until| *until >= since) {
            let count = |status: i64| {
                let within = |one: &&i64| (*since..=*until).contains(&(**one / 8));
                made.iter().filter(within).filter(|one| **one % 8 == status).count()
            };
            let query = format!("since={}&until={}", shown(*since), shown(*until));
            for route in ["stats", "attempt-stats"] {
                let told = ask(format!("{endpoint}/{route}?{query}")).await;
                let told = ["success", "fail", "canceled"].map(|name| told[name].as_u64());
                let wanted = [0, 2, 4].map(|status| Some(count(status) as u64));
                assert_eq!(told, wanted, "{route} {query}");
            }
        }
    }
}

/// Attempts of an older Relay, over sixty hours that end an hour ago: each endpoint has as many, at full hours and besides.
fn plant(conn: &Connection, count: i64) -> rusqlite::Result<()> {
    let begin = Timestamp::now().as_micros() - 61 * HOUR;
    let mut insert = conn.prepare(
        "INSERT INTO attempt (org, app, message, endpoint, id, url, status, status_code, response,
                              duration_ms, trigger_type, created_at)
         SELECT org, app, randomblob(20), id, ?1, '', ?2, 0, '', 1, 0, ?3 FROM endpoint",
    )?;
    let last = "SELECT coalesce(max(rowid), 0) FROM attempt";
    let before: i64 = conn.query_row(last, (), |row| row.get(0))?;
    for n in 0..count {
        let at = begin + n * 60 * HOUR / count;
        let at = if n % 5 == 0 { at - at % HOUR - n % 2 } else { at };
        let id = AttemptId::at(Timestamp::from_micros(at));
        insert.execute((id, [0, 0, 2, 0, 2, 4][n as usize % 6], at))?;
    }
    let after: i64 = conn.query_row(last, (), |row| row.get(0))?;
    conn.execute("INSERT INTO uncounted VALUES (?1, ?2)", (before + 1, after)).map(drop)
}

async fn serve(home: &Home) -> Relay {
    home.serve(&["--retry-schedule", "1h"]).await
}

#[linchpin_testing::test]
async fn stats_are_exact_at_both_edges_and_across_a_kill() {
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let mut relay = serve(&home).await;
    receiver.reply("/hook", [500, 200, 500].map(Reply::Status));
    let (app, endpoints) = relay.application(&[&receiver.url("/hook")]).await;
    for _ in 0..6 {
        relay.message(&app, "{}").await;
    }
    let attempts = || home.query::<i64>("SELECT count(*) FROM attempt")[0];
    eventually("recorded", async || attempts() == 6).await;
    relay.kill().await;
    let mut conn = Connection::open(home.database()).expect("open");
    let tx = conn.transaction().expect("begin");
    plant(&tx, 3_000).expect("planted");
    // Two wait for their next attempt, and have nowhere to go any more.
    tx.execute_batch("UPDATE delivery SET due = 0; UPDATE endpoint SET disabled = 1").expect("set");
    tx.commit().expect("committed");

    let mut relay = serve(&home).await;
    eventually("dropped", async || attempts() == 3_008).await;
    let path = format!("/app/{app}/endpoint/{}", endpoints[0]);
    relay.call("PATCH", &path, r#"{"disabled":false}"#).await.expect(200);
    for _ in 0..30 {
        relay.message(&app, "{}").await;
    }
    relay.kill().await;

    let relay = serve(&home).await;
    let due = "SELECT count(*) FROM delivery";
    eventually("settled", async || home.query::<i64>(due) == [0]).await;
    let made = home.query::<i64>(MADE);
    assert!(made.len() >= 3_038, "{}", made.len());
    let ask = async |path: String| relay.call("GET", &path, "").await.expect(200).json();
    compare(&made, &path, &ask).await;
    eventually("counted", async || home.query::<i64>("SELECT count(*) FROM uncounted") == [0])
        .await;
    compare(&made, &path, &ask).await;
    assert_eq!(home.query::<i64>(UNLIKE), [0]);
    let all = ask(format!("{path}/stats")).await;
    assert_eq!(all["success"].as_u64().map(|all| all as usize), {
        Some(made.iter().filter(|one| **one % 8 == 0).count())
    });
}

/// An application with an endpoint, `hook`, and one that is none of its business.
async fn shop() -> Api {
    let api = Api::new();
    for app in ["shop", "stall"] {
        api.app(app).await;
        let endpoint = json!({ "url": "https://example.com/", "uid": "hook" });
        api.post(&format!("/app/{app}/endpoint"), endpoint).await.ok(201);
    }
    api
}

async fn planted(count: i64) -> Api {
    let api = shop().await;
    let fill = move |tx: &mut Tx<'_>| plant(tx, count).sql("plant");
    api.database.writer().submit(&Context::root(), fill).await.unwrap();
    api
}

#[linchpin_testing::test]
async fn stats_are_exact_while_old_attempts_are_counted() {
    let api = planted(6_000).await;
    let made = api
        .database
        .reader()
        .query(&Context::root(), |conn| {
            // The other application has as many.
            let sql = format!("{MADE} WHERE app = (SELECT id FROM application WHERE uid = 'shop')");
            let mut query = conn.prepare(&sql).sql("made")?;
            let rows = query.query_map((), |row| row.get(0)).sql("made")?;
            rows.collect::<Result<Vec<i64>, _>>().sql("made")
        })
        .await
        .unwrap();
    let ask = async |path: String| api.get(&path).await.ok(200);
    let mut steps = 0;
    loop {
        compare(&made, "/app/shop/endpoint/hook", &ask).await;
        if api.number("SELECT count(*) FROM uncounted").await == 0 {
            break;
        }
        api.store.count_old_attempts(&Context::root()).await.unwrap();
        steps += 1;
    }
    assert!(steps >= 3, "{steps}");
    assert_eq!(api.number(UNLIKE).await, 0);
    assert!(!api.store.count_old_attempts(&Context::root()).await.unwrap(), "once");
    assert_eq!(api.number(UNLIKE).await, 0);
}

#[linchpin_testing::test]
async fn a_sweep_takes_attempts_off_their_hours() {
    let api = planted(300).await;
    while api.store.count_old_attempts(&Context::root()).await.unwrap() {}
    // One message has a part of them, in no order of time.
    for event in ["old", "new"] {
        let body = json!({ "eventType": "paid", "payload": {}, "eventId": event });
        api.post("/app/shop/msg", body).await.ok(202);
    }
    api.change(
        "DELETE FROM delivery;
         UPDATE message SET created_at = 0 WHERE event_id = 'old';
         UPDATE attempt SET message = (SELECT id FROM message WHERE event_id = 'old')
         WHERE rowid % 3 = 0 AND app = (SELECT app FROM message)",
    )
    .await;
    let cutoff = Timestamp::now() - Duration::from_hours(1);
    let swept = api.store.sweep_messages(&Context::root(), cutoff, 0).await.unwrap();
    assert_eq!((swept.gone, api.number("SELECT count(*) FROM attempt").await), (1, 500));
    assert_eq!(api.number(UNLIKE).await, 0);
    api.change(
        "UPDATE message SET created_at = 0;
         UPDATE attempt SET message = (SELECT id FROM message) WHERE app = (SELECT app FROM message)",
    )
    .await;
    api.store.sweep_messages(&Context::root(), cutoff, 0).await.unwrap();
    assert_eq!(
        api.number("SELECT count(DISTINCT app) FROM endpoint_hour").await,
        1,
        "no row of nothing"
    );
    assert_eq!(api.number(UNLIKE).await, 0);
}

#[linchpin_testing::test]
async fn a_window_that_is_too_long_or_in_the_future_is_refused() {
    let api = shop().await;
    let now = Timestamp::now();
    let days = |days: u64| Duration::from_hours(24 * days);
    let (long, month) = (now - days(29), now - days(28));
    for (query, why) in [
        (format!("since={long}"), "28 days"),
        (format!("since={}&until={}", now - days(100), now - days(71)), "28 days"),
        (format!("until={}", now + days(1)), "future"),
        (format!("since={now}&until={month}"), "later"),
        (format!("since={}", now + days(1)), "later"),
    ] {
        for route in ["stats", "attempt-stats"] {
            let refused = api.get(&format!("/app/shop/endpoint/hook/{route}?{query}")).await;
            refused.error(400, "invalid_range");
            let detail = refused.json()["detail"].to_string();
            assert!(detail.contains(why), "{query}: {detail}");
        }
    }
    for query in [
        format!("since={}", month - Duration::from_mins(4)),
        format!("since={}&until={month}", now - days(56)),
        format!("since={month}&until={month}"),
        String::new(),
    ] {
        api.get(&format!("/app/shop/endpoint/hook/stats?{query}")).await.ok(200);
    }
    api.get("/app/shop/endpoint/hook/stats?since=yesterday").await.error(400, "generic_error");
}

#[linchpin_testing::test]
async fn nobody_else_sees_the_numbers_of_an_endpoint() {
    let api = planted(10).await;
    let stall = api.get("/app/stall").await.ok(200)["id"].as_str().unwrap().parse().unwrap();
    let app = api.get("/app/shop").await.ok(200)["id"].clone();
    let endpoint = api.get("/app/shop/endpoint/hook").await.ok(200)["id"].clone();
    let (app, endpoint) = (app.as_str().unwrap(), endpoint.as_str().unwrap());
    for token in [app_token(api.org, stall), org_token(OrgId::at(Timestamp::now()))] {
        for route in ["stats", "attempt-stats"] {
            let path = format!("/app/{app}/endpoint/{endpoint}/{route}");
            api.call_as(&token, http::Method::GET, &path, Value::Null).await.not_found();
        }
    }
    let path = format!("/app/stall/endpoint/{endpoint}/stats");
    api.get(&path).await.not_found();
    api.delete("/app/shop/endpoint/hook").await.empty(204);
    api.get(&format!("/app/shop/endpoint/{endpoint}/stats")).await.not_found();
}

#[linchpin_testing::test]
async fn stats_say_what_is_still_to_be_delivered_and_look_at_a_bounded_part() {
    let api = shop().await;
    for _ in 0..3 {
        api.post("/app/shop/msg", json!({ "eventType": "paid", "payload": {} })).await.ok(202);
    }
    let path = "/app/shop/endpoint/hook/stats";
    let none = json!({ "success": 0, "pending": 0, "sending": 3, "fail": 0, "canceled": 0 });
    assert_eq!(api.get(path).await.ok(200), none);
    api.change("UPDATE delivery SET leased = 0 WHERE rowid = 1").await;
    let told = api.get(path).await.ok(200);
    assert_eq!((&told["pending"], &told["sending"]), (&json!(1), &json!(2)));
    api.change(
        "INSERT INTO delivery (org, app, message, endpoint, attempt, due, leased)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
         SELECT org, app, randomblob(20), endpoint, 0, 0, 0 FROM delivery, n WHERE rowid = 1",
    )
    .await;
    let told = api.get(path).await.ok(200);
    let looked = told["pending"].as_u64().unwrap() + told["sending"].as_u64().unwrap();
    assert_eq!(looked, 10_000);
}
