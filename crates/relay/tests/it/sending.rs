//! The API with what delivers behind it, in this process: where a test has a hand in the clock or in how names are looked up.

use std::time::Duration;

use linchpin_http::client::{AddressPolicy, Client, ClientOptions};
use linchpin_http::lifecycle::{self, Lifecycle};
use linchpin_http::middleware::StackOptions;
use linchpin_security::webhook::Family;
use relay::deliver::{Seed, Sender, Settings};
use serde_json::{Value, json};

use crate::api::Api;
use crate::process::eventually;

/// Ends by [`stop`](Self::stop).
pub(crate) struct Sending {
    pub(crate) api: Api,
    life: Lifecycle,
}

impl Sending {
    /// Delivers to loopback, by a client with these options.
    pub(crate) async fn start(settings: Settings, client: ClientOptions) -> Self {
        let seed = Seed::new(settings).unwrap();
        let addresses = AddressPolicy::public().allow_loopback();
        let api = Api::over(&seed, addresses.clone(), 0, StackOptions::default());
        let life = Lifecycle::new(lifecycle::Options::default()).unwrap();
        let client = Client::new(client.addresses(addresses)).unwrap();
        let sender = Sender::new(client, Duration::from_secs(15), Family::Svix);
        let writer = api.database.writer().clone();
        let dispatcher = seed.start(writer, sender, &life).await.unwrap();
        life.on_stop("deliveries", |_| async move { dispatcher.drain().await.to_string() });
        Self { api, life }
    }

    /// Ends what is under way, and waits for it.
    pub(crate) async fn stop(self) {
        self.life.force();
        self.life.finished().await;
    }

    /// An application with one endpoint for each URL, by their `uid`s: the application's is `name`, those of the endpoints
    /// their numbers.
    pub(crate) async fn application(&self, name: &str, urls: &[String]) {
        self.api.app(name).await;
        for (number, url) in urls.iter().enumerate() {
            let endpoint = json!({ "url": url, "uid": number.to_string() });
            self.api.post(&format!("/app/{name}/endpoint"), endpoint).await.ok(201);
        }
    }

    /// A message to all endpoints of an application; its id.
    pub(crate) async fn message(&self, app: &str) -> String {
        let message = json!({ "eventType": "sent", "payload": {} });
        let sent = self.api.post(&format!("/app/{app}/msg"), message).await.ok(202);
        sent["id"].as_str().unwrap().to_owned()
    }

    /// The attempts of a message, oldest first, once there are so many.
    pub(crate) async fn attempts(&self, app: &str, message: &str, count: usize) -> Vec<Value> {
        let path = format!("/app/{app}/attempt/msg/{message}");
        let mut attempts: Vec<Value> = Vec::new();
        eventually("recorded", async || {
            let list = self.api.get(&path).await.ok(200);
            attempts = list["data"].as_array().unwrap().iter().rev().cloned().collect();
            attempts.len() >= count
        })
        .await;
        attempts
    }

    /// Waits until nothing is left to be sent.
    pub(crate) async fn done(&self) {
        let left = "SELECT count(*) FROM delivery";
        eventually("all delivered", async || self.api.number(left).await == 0).await;
    }
}
