//! The API over a database of its own, driven without a socket. The other `api_*` files have the tests.

use std::any::Any;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use linchpin::Context;
use linchpin::resilience::retry::Schedule;
use linchpin::task::{self, Task};
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Database, Sql as _, Tx};
use linchpin_http::client::AddressPolicy;
use linchpin_http::middleware::{self, StackOptions};
use linchpin_security::jwt::{Issuer, Keys, Verifier};
use relay::api::auth::{Claims, Tokens};
use relay::api::{self, ApiState};
use relay::config::DEVELOPMENT_KEY;
use relay::deliver::{
    Clock, HealthSettings, Patience, Policies, PolicySettings, Queue, Seed, Settings,
};
use relay::ids::{AppId, OrgId};
use relay::store::revocation::Revocations;
use relay::store::{self, Store};
use relay::vault::Vault;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tower::ServiceExt as _;

/// The secret that tokens are signed with.
pub(crate) const SECRET: &[u8] = b"f3b1c0a49d7e4e52a6685bd1903c7e44";

/// The API, its database, and the tenant that asks unless a test says otherwise.
pub(crate) struct Api {
    router: Router,
    pub(crate) database: Database,
    pub(crate) queue: Queue,
    pub(crate) store: Store,
    pub(crate) bodies: api::Bodies,
    pub(crate) policies: Arc<Policies>,
    pub(crate) org: OrgId,
    token: String,
    // Nothing is sent: deliveries stay where the API put them.
    _seed: Box<dyn Any + Send + Sync>,
    _folder: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// How deliveries are made, unless a test says otherwise.
pub(crate) fn settings() -> Settings {
    Settings {
        concurrency: 1,
        per_host: 1,
        queue: 4096,
        schedule: Schedule::new([Duration::from_secs(5)]).unwrap(),
        health: HealthSettings { disable_after: None, gone_disables: true },
        policies: PolicySettings {
            request_timeout: Duration::from_secs(15),
            open_for: Duration::from_secs(10),
            max_open_for: Duration::from_mins(5),
        },
        patience: Patience::default(),
        vault: Vault::parse(DEVELOPMENT_KEY).unwrap(),
        clock: Clock::default(),
    }
}

impl Api {
    pub(crate) fn new() -> Self {
        Self::limited(0)
    }

    /// One that has an application `shop` with an endpoint `hook`.
    pub(crate) async fn with_hook() -> Self {
        let api = Self::new();
        api.app("shop").await;
        let endpoint = json!({ "url": "https://example.com/", "uid": "hook" });
        api.post("/app/shop/endpoint", endpoint).await.ok(201);
        api
    }

    /// With so many requests a second for each principal.
    pub(crate) fn limited(per_second: u32) -> Self {
        Self::with(per_second, StackOptions::default())
    }

    /// The same, in a stack with other options.
    pub(crate) fn with(per_second: u32, options: StackOptions) -> Self {
        let seed = Seed::new(settings()).unwrap();
        let api = Self::over(&seed, AddressPolicy::public(), per_second, options);
        Self { _seed: Box::new(seed), ..api }
    }

    /// The same, that hands what is to be delivered to what will grow from `seed`.
    pub(crate) fn over(
        seed: &Seed,
        addresses: AddressPolicy,
        per_second: u32,
        options: StackOptions,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = store::open(&folder.path().join("relay.db")).unwrap();
        let queue = seed.queue().clone();
        let store = Store::new(&database, queue.clone());
        let keys = Keys::hs256(SECRET);
        let tokens = Tokens {
            issuer: Issuer::new(&keys),
            verifier: Verifier::new(&keys),
            revocations: Revocations::new(&database),
        };
        let state = ApiState {
            store: store.clone(),
            tokens: Arc::new(tokens),
            portal_url: "https://hooks.example.com/portal".into(),
            addresses: Arc::new(addresses),
            bodies: api::Bodies::default(),
            rate_limit: api::rate_limit(per_second).unwrap(),
        };
        let bodies = state.bodies.clone();
        let options = options.on_error(api::error::page);
        let stack = middleware::stack(api::router(state), &Context::root(), &options);
        let org = OrgId::at(Timestamp::now());
        let router = api::normalised(stack);
        Self {
            router,
            database,
            queue,
            store,
            bodies,
            policies: seed.policies().clone(),
            org,
            token: org_token(org),
            _seed: Box::new(()),
            _folder: folder,
        }
    }

    /// The token of the tenant.
    pub(crate) fn token(&self) -> String {
        self.token.clone()
    }

    /// Sends whatever it is told to.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// A request below `/api/v1`, with a token of one's choice and further headers.
    pub(crate) async fn raw(
        &self,
        method: Method,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    /// A request of the tenant; `null` is no body.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> Reply {
        self.call_as(&self.token, method, path, body).await
    }

    pub(crate) async fn call_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Value,
    ) -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(method, path, token, &[], body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.call(Method::PUT, path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Reply {
        self.call(Method::PATCH, path, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.call(Method::DELETE, path, Value::Null).await
    }

    /// A POST of the tenant under an idempotency key.
    pub(crate) async fn post_once(&self, key: &str, path: &str, body: &str) -> Reply {
        let headers = [("idempotency-key", key)];
        self.raw(Method::POST, path, &self.token, &headers, body.to_owned()).await
    }

    /// An application, by its `uid`.
    pub(crate) async fn app(&self, uid: &str) -> AppId {
        let reply = self.post("/app", json!({ "name": uid, "uid": uid })).await;
        reply.ok(201)["id"].as_str().unwrap().parse().unwrap()
    }

    /// Keeps the writer's thread busy until told otherwise.
    pub(crate) async fn hold_the_writer(&self) -> Held {
        let (release, released) = mpsc::channel::<()>();
        let (started, start) = oneshot::channel::<()>();
        let (writer, mut started) = (self.database.writer().clone(), Some(started));
        let held = task::spawn("held writer", async move {
            let hold = move |_: &mut Tx<'_>| {
                drop(started.take());
                assert!(released.recv().is_err()); // until the sender is dropped
                Ok(())
            };
            writer.submit(&Context::root(), hold).await.unwrap();
        });
        start.await.unwrap_err();
        Held { release, held }
    }

    /// One number out of the database.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        let query =
            move |conn: &rusqlite::Connection| conn.query_row(sql, (), |row| row.get(0)).sql(sql);
        self.database.reader().query(&Context::root(), query).await.unwrap()
    }

    /// Changes the database behind the API's back.
    pub(crate) async fn change(&self, sql: &'static str) {
        let change = move |tx: &mut Tx<'_>| tx.execute_batch(sql).sql(sql);
        self.database.writer().submit(&Context::root(), change).await.unwrap();
    }

    /// Walks a list to its end and back to its start, and returns the ids in list order.
    ///
    /// Asserts that both ways meet the same items, that pages are full but for the last, and that `done` is told on
    /// the last page only.
    pub(crate) async fn walk(&self, list: &str, limit: usize, id: &str) -> Vec<String> {
        let with = if list.contains('?') { '&' } else { '?' };
        let (mut there, mut back) = (Vec::new(), Vec::new());
        let mut next = String::new();
        let mut last = Value::Null;
        loop {
            let page = self.get(&format!("{list}{with}limit={limit}{next}")).await.ok(200);
            let ids = ids(&page, id);
            there.extend(ids.clone());
            let done = page["done"].as_bool().unwrap();
            assert!(done || ids.len() == limit, "{page}");
            if !ids.is_empty() {
                assert_eq!(page["iterator"], *ids.last().unwrap());
                assert_eq!(page["prevIterator"], format!("-{}", ids[0]));
                next = format!("&iterator={}", ids.last().unwrap());
                last = page;
            }
            if done {
                break;
            }
        }
        if last.is_null() {
            return there;
        }
        back.extend(ids(&last, id));
        loop {
            let previous = last["prevIterator"].as_str().unwrap();
            let page =
                self.get(&format!("{list}{with}limit={limit}&iterator={previous}")).await.ok(200);
            let mut ids = ids(&page, id);
            if ids.is_empty() {
                assert_eq!(page, json!({ "data": [], "iterator": null, "done": true }));
                break;
            }
            ids.append(&mut back);
            back = ids;
            last = page;
        }
        assert_eq!(there, back);
        there
    }
}

/// A writer that is held.
pub(crate) struct Held {
    release: mpsc::Sender<()>,
    held: Task<()>,
}

impl Held {
    pub(crate) async fn release(self) {
        drop(self.release);
        self.held.join().await;
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|fault| panic!("{fault}: {} {:?}", self.status, self.body))
    }

    /// The JSON body of a reply with this status.
    #[track_caller]
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:?}", self.body);
        assert_eq!(self.headers["content-type"], "application/json");
        self.json()
    }

    #[track_caller]
    pub(crate) fn empty(&self, status: u16) {
        assert_eq!((self.status, &self.body[..]), (status, &b""[..]));
    }

    /// Asserts an error with a code, and that it has a text and says its status.
    #[track_caller]
    pub(crate) fn error(&self, status: u16, code: &str) {
        let body = self.ok(status);
        assert_eq!(body["code"], code);
        assert!(body["detail"].is_string(), "{body}");
        assert_eq!(body["status"], status);
    }

    #[track_caller]
    pub(crate) fn not_found(&self) {
        self.error(404, "not_found");
        assert_eq!(self.json()["detail"], "Entity not found");
    }

    /// The places of the faults in a 422, as in `body.uid.__all__`, all of them of one type.
    #[track_caller]
    pub(crate) fn faults(&self, kind: &str) -> Vec<String> {
        let body = self.ok(422);
        let items = body["detail"].as_array().expect("a list of faults");
        let place = |item: &Value| {
            assert_eq!(item["type"], kind, "{item}");
            assert!(!item["msg"].as_str().unwrap().is_empty());
            let names = item["loc"].as_array().unwrap().iter();
            names.map(|name| name.as_str().unwrap()).collect::<Vec<_>>().join(".")
        };
        items.iter().map(place).collect()
    }
}

pub(crate) fn ids(page: &Value, id: &str) -> Vec<String> {
    let items = page["data"].as_array().unwrap().iter();
    items.map(|item| item[id].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn org_token(org: OrgId) -> String {
    let now = Timestamp::now();
    sign(&Claims::new(org, None, now, now + Duration::from_hours(1)))
}

pub(crate) fn app_token(org: OrgId, app: AppId) -> String {
    let now = Timestamp::now();
    sign(&Claims::new(org, Some(app), now, now + Duration::from_hours(1)))
}

pub(crate) fn sign(claims: &impl serde::Serialize) -> String {
    Issuer::new(&Keys::hs256(SECRET)).issue(claims).unwrap()
}
