//! The client under test with the service and the receiver around it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use super::super::process::receiver::{Delivery, Receiver};
use super::super::process::{Home, Relay, eventually};
use super::super::sdk::api::{Svix, SvixOptions};
use super::super::sdk::error::Error;

/// Everything a test needs. The folder is last, so that it goes last.
pub(super) struct Bench {
    pub(super) svix: Svix,
    pub(super) relay: Relay,
    pub(super) receiver: Receiver,
    pub(super) home: Home,
}

impl Bench {
    /// Both families of headers are sent: `standardwebhooks` reads the one, the client's own verifier the other.
    pub(super) async fn start(flags: &[&str]) -> Self {
        let home = Home::new();
        let flags: Vec<_> = ["--webhook-headers", "both"].iter().chain(flags).copied().collect();
        let relay = home.serve(&flags).await;
        let options = SvixOptions { server_url: Some(relay.api.clone()), ..SvixOptions::default() };
        let svix = Svix::new(relay.token.clone(), Some(options));
        Self { svix, relay, receiver: Receiver::start().await, home }
    }

    /// The client of somebody else at the same Relay.
    pub(super) fn with_token(&self, token: String) -> Svix {
        let url = Some(self.relay.api.clone());
        Svix::new(token, Some(SvixOptions { server_url: url, ..SvixOptions::default() }))
    }

    /// The id of a new application.
    pub(super) async fn application(&self) -> String {
        self.svix
            .application()
            .create(input(json!({ "name": "App" })), None)
            .await
            .expect("create")
            .id
    }

    /// The id of a new endpoint for `path` of the receiver, with what else `more` says.
    pub(super) async fn endpoint(&self, app: &str, path: &str, more: Value) -> String {
        let mut body = more;
        body["url"] = self.receiver.url(path).into();
        self.svix.endpoint().create(app.into(), input(body), None).await.expect("create").id
    }

    /// The id of a new message.
    pub(super) async fn message(&self, app: &str, message: Value) -> String {
        self.svix.message().create(app.into(), input(message), None).await.expect("create").id
    }

    /// Waits until no delivery is left to be made. What has not arrived then never will.
    pub(super) async fn settled(&self) {
        eventually("settled", async || {
            self.home.query::<i64>("SELECT count(*) FROM delivery") == [0]
        })
        .await;
    }

    /// Has two independent libraries verify a delivery with the endpoint's secret.
    pub(super) async fn verify(&self, app: &str, endpoint: &str, delivery: &Delivery) {
        let secret =
            self.svix.endpoint().get_secret(app.into(), endpoint.into()).await.expect("secret").key;
        let independent = Webhook::new(&secret).expect("a secret");
        independent
            .verify(&delivery.body, &delivery.headers)
            .expect("verified by standardwebhooks");
        let official = super::super::sdk::webhooks::Webhook::new(&secret).expect("a secret");
        official.verify(&delivery.body, &delivery.headers).expect("verified by the client");
        let other = Webhook::from_bytes(vec![7; 24]).expect("a secret");
        other
            .verify(&delivery.body, &delivery.headers)
            .expect_err("another secret must not verify");
    }
}

/// An input of the client.
pub(super) fn input<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("an input of the client")
}

/// A value of the client as JSON.
pub(super) fn view(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("JSON")
}

/// The status and `code` of an error that is not a validation error.
#[track_caller]
pub(super) fn http_error<T: std::fmt::Debug>(result: Result<T, Error>) -> (u16, String) {
    match result {
        Err(Error::Http(error)) => {
            (error.status.as_u16(), error.payload.expect("a body it can read").code)
        }
        other => panic!("expected an HTTP error: {other:?}"),
    }
}

/// The `loc` of each fault of a validation error.
#[track_caller]
pub(super) fn invalid<T: std::fmt::Debug>(result: Result<T, Error>) -> Vec<String> {
    match result {
        Err(Error::Validation(error)) => {
            let faults = error.payload.expect("a body it can read").detail;
            faults.iter().map(|fault| fault.loc.join(".")).collect()
        }
        other => panic!("expected a validation error: {other:?}"),
    }
}
