//! A tenant whose tables are filled by hand.

use std::time::Duration;

use linchpin::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};
use relay::background::Background;
use relay::ids::{AppId, AttemptId, EndpointId, MessageId, OrgId};
use serde_json::{Value, json};

use super::{FAIL, HOUR};
use crate::api::Api;
use crate::process::eventually;

/// A tenant with an application `shop` and an endpoint `hook`, and what is put into its tables by hand.
pub(crate) struct Shop {
    pub(crate) api: Api,
    pub(crate) app: AppId,
    endpoint: EndpointId,
    pub(crate) now: Timestamp,
}

impl Shop {
    pub(crate) async fn new(endpoint: Value) -> Self {
        let api = Api::new();
        let app = api.app("shop").await;
        Self::with(api, app, endpoint).await
    }

    /// The same with another endpoint, which is `hook` from now on.
    pub(crate) async fn of(shop: Self, endpoint: Value) -> Self {
        Self::with(shop.api, shop.app, endpoint).await
    }

    async fn with(api: Api, app: AppId, endpoint: Value) -> Self {
        let mut body = json!({ "url": "https://example.com/", "uid": "hook" });
        body.as_object_mut().unwrap().extend(endpoint.as_object().unwrap().clone());
        let made = api.post("/app/shop/endpoint", body).await.ok(201);
        let endpoint = made["id"].as_str().unwrap().parse().unwrap();
        Self { api, app, endpoint, now: Timestamp::now() }
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Tx<'_>) -> linchpin::Result<T> + Send + 'static,
    ) -> T {
        self.api.database.writer().submit(&Context::root(), work).await.unwrap()
    }

    /// A message that was accepted so long ago, with attempts that ended so, each a second after the one before.
    pub(crate) async fn message(&self, ago: Duration, attempts: &[u8]) -> MessageId {
        self.message_of("paid", Value::Null, ago, attempts).await
    }

    pub(crate) async fn message_of(
        &self,
        event_type: &'static str,
        channels: Value,
        ago: Duration,
        attempts: &[u8],
    ) -> MessageId {
        let (org, app, endpoint, at) = (self.api.org, self.app, self.endpoint, self.now - ago);
        let attempts = attempts.to_vec();
        let channels = (!channels.is_null()).then(|| channels.to_string());
        self.write(move |tx| {
            let id = message(tx, (org, app), event_type, channels.as_deref(), at)?;
            for (n, status) in (1..).zip(&attempts) {
                attempt(tx, (org, app, id, endpoint), *status, at + Duration::from_secs(n))?;
            }
            Ok(id)
        })
        .await
    }

    /// A delivery that waits for its second attempt, or is under way.
    pub(crate) async fn pending(&self, message: MessageId, leased: bool) {
        let (org, app, endpoint) = (self.api.org, self.app, self.endpoint);
        let due = (self.now + HOUR).as_micros();
        self.write(move |tx| {
            tx.execute(
                "INSERT INTO delivery (org, app, message, endpoint, attempt, due, leased)
                 VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6)",
                (org, app, message, endpoint, due, leased),
            )
            .sql("insert")
        })
        .await;
    }

    pub(crate) fn since(&self, ago: Duration) -> Value {
        json!({ "since": (self.now - ago).to_string() })
    }

    pub(crate) async fn begin(&self, what: &str, body: Value) -> Value {
        self.api.post(&format!("/app/shop/endpoint/hook/{what}"), body).await.ok(202)
    }

    pub(crate) fn background(&self, ctx: &Context) -> Background {
        Background::start(self.api.store.clone(), ctx).unwrap()
    }

    pub(crate) async fn task(&self, task: &Value) -> Value {
        let id = task["id"].as_str().unwrap();
        self.api.get(&format!("/background-task/{id}")).await.ok(200)
    }

    /// Works off what was begun, and returns the task as it ended.
    pub(crate) async fn ended(&self, task: &Value) -> Value {
        let ctx = Context::root().child();
        let background = self.background(&ctx);
        eventually("ended", async || self.task(task).await["status"] != "running").await;
        ctx.cancel("enough");
        assert_eq!(background.drain(&Context::root()).await, 0, "none is cut off");
        self.task(task).await
    }

    /// Message, attempt number, whether it is due, whether it is under way, whether it began by hand: of each delivery.
    pub(crate) async fn deliveries(&self) -> Vec<(MessageId, u32, bool, bool, bool)> {
        let now = Timestamp::now().as_micros();
        self.write(move |tx| {
            let mut rows = tx
                .prepare("SELECT message, attempt, due <= ?1, leased, manual FROM delivery ORDER BY message")
                .sql("read")?;
            let read = |row: &rusqlite::Row<'_>| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            };
            rows.query_map([now], read).and_then(Iterator::collect).sql("read")
        })
        .await
    }

    /// `count` messages that failed, a second apart, the last an hour ago.
    pub(crate) async fn failures(&self, count: u64) {
        let (org, app, endpoint, now) = (self.api.org, self.app, self.endpoint, self.now);
        self.write(move |tx| {
            for n in 0..count {
                let at = now - HOUR - Duration::from_secs(n);
                let id = message(tx, (org, app), "paid", None, at)?;
                attempt(tx, (org, app, id, endpoint), FAIL, at)?;
            }
            Ok(())
        })
        .await;
    }
}

fn message(
    tx: &Tx<'_>,
    (org, app): (OrgId, AppId),
    event_type: &str,
    channels: Option<&str>,
    at: Timestamp,
) -> linchpin::Result<MessageId> {
    let id = MessageId::at(at);
    tx.execute(
        "INSERT INTO message (org, app, id, event_type, channels, payload, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, x'7b7d', ?6)",
        (org, app, id, event_type, channels, at.as_micros()),
    )
    .sql("insert")?;
    Ok(id)
}

fn attempt(
    tx: &Tx<'_>,
    (org, app, message, endpoint): (OrgId, AppId, MessageId, EndpointId),
    status: u8,
    at: Timestamp,
) -> linchpin::Result<()> {
    tx.execute(
        "INSERT INTO attempt (org, app, message, endpoint, id, url, status, status_code, response,
                              duration_ms, trigger_type, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 'https://example.com/', ?6, 0, '', 1, 0, ?7)",
        (org, app, message, endpoint, AttemptId::at(at), status, at.as_micros()),
    )
    .sql("insert")?;
    Ok(())
}
