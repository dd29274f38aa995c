//! Rotations: what is answered, and which secrets sign.

use linchpin::time::Timestamp;
use linchpin_security::webhook::{PublicKey, Verifier};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::process::receiver::{Delivery, Receiver};
use crate::process::{Home, Relay, eventually};

const DAY: u64 = 86_400;

struct Hook {
    receiver: Receiver,
    relay: Relay,
    app: String,
    /// Below the API.
    secret: String,
    sent: usize,
    home: Home,
}

impl Hook {
    async fn new(flags: &[&str]) -> Self {
        let (home, receiver) = (Home::new(), Receiver::start().await);
        let flags = [&["--webhook-headers", "webhook"], flags].concat();
        let relay = home.serve(&flags).await;
        let (app, endpoints) = relay.application(&[&receiver.url("/hook")]).await;
        let secret = format!("/app/{app}/endpoint/{}/secret", endpoints[0]);
        Self { receiver, relay, app, secret, sent: 0, home }
    }

    async fn key(&self) -> String {
        self.relay.call("GET", &self.secret, "").await.expect(200).text("key")
    }

    async fn rotate(&self, body: Value) -> String {
        let path = format!("{}/rotate", self.secret);
        self.relay.call("POST", &path, &body.to_string()).await.expect(200).text("key")
    }

    /// Another delivery.
    async fn delivery(&mut self) -> Delivery {
        self.relay.message(&self.app, r#"{"test": 2432232314}"#).await;
        self.sent += 1;
        let mut received = self.receiver.wait("/hook", self.sent).await;
        received.pop().expect("one at least")
    }
}

fn verifies(key: &str, delivery: &Delivery) -> bool {
    let secret = Webhook::new(key).expect("a secret");
    secret.verify(&delivery.body, &delivery.headers).is_ok()
}

fn signatures(delivery: &Delivery) -> usize {
    delivery.header("webhook-signature").split(' ').count()
}

#[linchpin_testing::test]
async fn w13_both_secrets_verify_until_the_overlap_ends() {
    let mut hook = Hook::new(&[]).await;
    let first = hook.key().await;
    let second = hook.rotate(json!({ "gracePeriodSeconds": 1 })).await;
    let third = hook.rotate(json!({ "gracePeriodSeconds": DAY })).await;
    assert_eq!(hook.key().await, third);
    let before = hook.delivery().await;
    assert!(verifies(&second, &before) && verifies(&third, &before));
    let mut last = before;
    eventually("the first has ended", async || {
        last = hook.delivery().await;
        signatures(&last) == 2
    })
    .await;
    assert!(!verifies(&first, &last) && verifies(&second, &last) && verifies(&third, &last));
    // The present one comes first, since some receivers look no further.
    let (current, _) = last.header("webhook-signature").split_once(' ').expect("two");
    let mut alone = last.clone();
    alone.headers.insert("webhook-signature", current.parse().expect("a value"));
    assert!(verifies(&third, &alone) && !verifies(&second, &alone));
}

#[linchpin_testing::test]
async fn w13_grace_zero_ends_the_old_at_once() {
    let mut hook = Hook::new(&[]).await;
    let first = hook.key().await;
    let second = hook.rotate(json!({ "gracePeriodSeconds": 0 })).await;
    let delivery = hook.delivery().await;
    assert_eq!(signatures(&delivery), 1);
    assert!(!verifies(&first, &delivery) && verifies(&second, &delivery));
}

#[linchpin_testing::test]
async fn w13_old_secrets_sign_after_a_restart() {
    let mut hook = Hook::new(&[]).await;
    let first = hook.key().await;
    hook.rotate(json!({})).await;
    hook.relay.kill().await;
    hook.relay = hook.home.serve(&["--webhook-headers", "webhook"]).await;
    assert!(verifies(&first, &hook.delivery().await));
}

#[linchpin_testing::test]
async fn w13_a_key_pair_signs_beside_a_shared_secret() {
    let mut hook = Hook::new(&["--default-signature-type", "ed25519"]).await;
    let made: PublicKey = hook.key().await.parse().expect("a public half");
    // The pair of the Standard Webhooks specification.
    let pair = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    let public = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
    assert_eq!(hook.rotate(json!({ "key": pair })).await, public);
    let shared = hook.rotate(json!({ "key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" })).await;
    let delivery = hook.delivery().await;
    assert!(verifies(&shared, &delivery));
    assert_eq!(delivery.header("webhook-signature").matches("v1a,").count(), 2);
    for key in [made, public.parse().expect("a public half")] {
        let verifier = Verifier::new([&key]);
        let header = |name: &str| delivery.headers.get(name)?.to_str().ok();
        verifier.verify(header, &delivery.body, Timestamp::now()).expect("verified");
    }
}

#[linchpin_testing::test]
async fn w13_who_reads_and_rotates_secrets_is_logged_without_them() {
    let hook = Hook::new(&[]).await;
    let first = hook.key().await;
    let second = hook.rotate(json!({})).await;
    let log = hook.relay.to_string();
    for line in ["secret read", "secret rotated"] {
        let line = log.lines().find(|text| text.contains(line)).expect("a line of it");
        assert!(line.contains(&hook.app) && line.contains("org_"), "{line}");
    }
    assert!(!log.contains(&first) && !log.contains(&second));
}
