//! The wall clock jumps, and what is due does not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use linchpin::resilience::retry::Schedule;
use linchpin::time::Timestamp;
use linchpin_http::client::ClientOptions;
use relay::deliver::{Clock, Settings};
use serde_json::json;

use crate::api::settings;
use crate::process::receiver::{Receiver, Reply};
use crate::process::{Home, eventually};
use crate::sending::Sending;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A wall clock that a test sets.
#[derive(Clone, Default)]
struct Wall(Arc<AtomicI64>);

impl Wall {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(Timestamp::now().as_micros() + self.0.load(Ordering::Relaxed))
    }

    fn back(&self, by: Duration) {
        self.0.fetch_sub(by.as_micros() as i64, Ordering::Relaxed);
    }

    fn forward(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as i64, Ordering::Relaxed);
    }

    /// Deliveries by this clock, tried again once after `delay`.
    fn settings(&self, delay: Duration) -> Settings {
        let (own, schedule) = (self.clone(), Schedule::new([delay, delay]).unwrap());
        Settings { clock: Clock::new(move || own.now()), schedule, ..settings() }
    }
}

#[linchpin_testing::test]
async fn a_step_back_of_an_hour_delays_no_retry() {
    let (wall, receiver) = (Wall::default(), Receiver::start().await);
    receiver.reply("/hook", [Reply::Status(500), Reply::Status(500)]);
    let sending = Sending::start(wall.settings(SECOND * 2), ClientOptions::default()).await;
    sending.application("shop", &[receiver.url("/hook")]).await;
    let message = sending.message("shop").await;
    sending.attempts("shop", &message, 1).await;
    wall.back(HOUR);
    // One retry was planned before, and one is by the clock as it is now; what is new goes at once.
    receiver.wait("/hook", 3).await;
    sending.message("shop").await;
    sending.done().await;
    assert_eq!(receiver.received("/hook").len(), 4);
    sending.stop().await;
}

#[linchpin_testing::test]
async fn what_is_shown_after_a_step_is_of_the_wall() {
    let (wall, receiver) = (Wall::default(), Receiver::start().await);
    receiver.reply("/hook", [Reply::Status(500)]);
    let sending = Sending::start(wall.settings(DAY), ClientOptions::default()).await;
    sending.application("shop", &[receiver.url("/hook")]).await;
    wall.back(HOUR);
    let message = sending.message("shop").await;
    sending.attempts("shop", &message, 1).await;
    let list = sending.api.get("/app/shop/endpoint/0/msg").await.ok(200);
    let next: Timestamp = list["data"][0]["nextAttempt"].as_str().unwrap().parse().unwrap();
    let ahead = next.since(wall.now());
    assert!(ahead <= DAY && ahead + HOUR / 2 > DAY, "{ahead:?}");
    let stored = sending.api.number("SELECT next_attempt FROM attempt").await;
    let drift =
        next.since(Timestamp::from_micros(stored)).max(Timestamp::from_micros(stored).since(next));
    assert!(drift < SECOND * 2, "{drift:?}");
    sending.stop().await;
}

#[linchpin_testing::test]
async fn a_message_for_later_waits_for_the_wall_after_a_step() {
    let (wall, receiver) = (Wall::default(), Receiver::start().await);
    let sending = Sending::start(wall.settings(DAY), ClientOptions::default()).await;
    sending.application("shop", &[receiver.url("/hook")]).await;
    wall.back(HOUR);
    let at = Timestamp::now() + HOUR * 2;
    let body = json!({ "eventType": "sent", "payload": {}, "deliverAt": at.to_string() });
    sending.api.post("/app/shop/msg", body).await.ok(202);
    // The clock of deliveries is ahead of the wall by the step.
    let due = Timestamp::from_micros(sending.api.number("SELECT due FROM delivery").await);
    let later = due.since(at);
    assert!(later + SECOND > HOUR && later < HOUR + SECOND, "{later:?}");
    sending.stop().await;
}

#[linchpin_testing::test]
async fn a_step_forward_sends_each_once() {
    const MESSAGES: usize = 5;
    let (wall, receiver) = (Wall::default(), Receiver::start().await);
    receiver.reply("/hook", vec![Reply::Status(500); MESSAGES]);
    let sending = Sending::start(wall.settings(HOUR), ClientOptions::default()).await;
    sending.application("shop", &[receiver.url("/hook")]).await;
    for _ in 0..MESSAGES {
        sending.message("shop").await;
    }
    let failed = "SELECT count(*) FROM attempt WHERE next_attempt IS NOT NULL";
    eventually("failed", async || sending.api.number(failed).await == MESSAGES as i64).await;
    wall.forward(HOUR * 3);
    sending.done().await;
    let mut times = BTreeMap::<_, usize>::new();
    for delivery in receiver.received("/hook") {
        *times.entry(delivery.header("svix-id").to_owned()).or_default() += 1;
    }
    assert_eq!(times.into_values().collect::<Vec<_>>(), [2; MESSAGES]);
    sending.stop().await;
}

#[linchpin_testing::test]
async fn a_due_time_beyond_reason_is_brought_back_at_the_start() {
    const FLAGS: [&str; 2] = ["--retry-schedule", "1h"];
    const YEARS: Duration = Duration::from_hours(24 * 3_650);
    let (home, receiver) = (Home::new(), Receiver::start().await);
    let mut relay = home.serve(&FLAGS).await;
    let urls = ["/plain", "/own", "/soon"].map(|path| receiver.url(path));
    for path in ["/plain", "/own", "/soon"] {
        receiver.reply(path, [Reply::Status(500)]);
    }
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let (app, endpoints) = relay.application(&urls).await;
    let own = json!({ "retrySchedule": [7200] }).to_string();
    relay.call("PATCH", &format!("/app/{app}/endpoint/{}", endpoints[1]), &own).await.expect(200);
    let message = relay.message(&app, "{}").await;
    relay.attempts(&app, &message, 3).await;
    relay.kill().await;
    let (years, soon) = (YEARS.as_micros(), (HOUR * 20).as_micros());
    home.write(&format!(
        "UPDATE delivery SET due = due + iif((SELECT url FROM endpoint WHERE id = endpoint) LIKE '%/soon', {soon}, {years})"
    ));
    let by_url = "SELECT due FROM delivery JOIN endpoint e ON e.id = endpoint ORDER BY url";
    let before: Vec<i64> = home.query(by_url);

    let begun = Timestamp::now();
    let relay = home.serve(&FLAGS).await;
    let after: Vec<i64> = home.query(by_url);
    // In the order of their names; a fifth is what chance may add to a delay.
    for (due, longest) in [(after[0], HOUR * 2), (after[1], HOUR)] {
        let ahead = Timestamp::from_micros(due).since(begun);
        let bound = DAY + longest + longest / 5;
        assert!(ahead >= bound && ahead < bound + HOUR / 60, "{ahead:?}, {bound:?}");
    }
    assert_eq!(after[2], before[2], "within reason");
    relay.terminate().await;
}

/// A Relay that was killed while a delivery waits for its retry, which is due in a second.
async fn waits(receiver: &Receiver) -> Home {
    let home = Home::new();
    receiver.reply("/hook", [Reply::Status(500)]);
    let mut relay = home.serve(&["--retry-schedule", "1s"]).await;
    let (app, _) = relay.application(&[&receiver.url("/hook")]).await;
    let message = relay.message(&app, "{}").await;
    relay.attempts(&app, &message, 1).await;
    relay.kill().await;
    home
}

#[linchpin_testing::test]
async fn a_step_back_of_an_hour_and_a_restart_delay_no_retry() {
    let (hour, now) = (HOUR.as_micros(), Timestamp::now().as_micros());
    // While it ran, and while it did not.
    for kept in [format!("lead = {hour}"), format!("wall = {now} + {hour}")] {
        let receiver = Receiver::start().await;
        let home = waits(&receiver).await;
        // As if the wall had gone back by that between this and the start.
        home.write(&format!("UPDATE delivery SET due = due + {hour}; UPDATE clock SET {kept}"));
        let relay = home.serve(&["--retry-schedule", "1s"]).await;
        receiver.wait("/hook", 2).await;
        relay.terminate().await;
    }
}

#[linchpin_testing::test]
async fn what_the_clock_is_ahead_is_kept_for_the_next_start() {
    let wall = Wall::default();
    let sending = Sending::start(wall.settings(SECOND), ClientOptions::default()).await;
    let hour = async || {
        let lead = sending.api.number("SELECT lead FROM clock").await;
        Duration::from_micros(lead as u64).abs_diff(HOUR) < SECOND
    };
    assert_eq!(sending.api.number("SELECT lead FROM clock").await, 0);
    wall.back(HOUR);
    eventually("kept", hour).await;
    sending.stop().await;
}

#[linchpin_testing::test]
async fn a_file_of_a_clock_that_was_a_year_ahead_is_not_believed() {
    let receiver = Receiver::start().await;
    let home = waits(&receiver).await;
    let ahead = (Timestamp::now() + DAY * 365).as_micros();
    home.write(&format!("UPDATE delivery SET due = {ahead}; UPDATE clock SET wall = {ahead}"));
    let relay = home.serve(&["--retry-schedule", "1s"]).await;
    assert_eq!(home.query::<i64>("SELECT lead FROM clock"), [0]);
    assert_eq!(home.query::<bool>(&format!("SELECT wall < {ahead} FROM clock")), [true]);
    let within = (Timestamp::now() + DAY + HOUR).as_micros();
    assert_eq!(home.query::<bool>(&format!("SELECT due < {within} FROM delivery")), [true]);
    // What comes now goes now, and its retry, too.
    receiver.reply("/other", [Reply::Status(500)]);
    let (app, _) = relay.application(&[&receiver.url("/other")]).await;
    relay.message(&app, "{}").await;
    receiver.wait("/other", 2).await;
    let log = relay.to_string();
    assert!(log.contains("behind what is stored by too much"), "{log}");
    relay.terminate().await;
}
