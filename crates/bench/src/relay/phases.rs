//! The phases of a run: each loads the service, waits for the last delivery and leaves its rows.

use std::path::Path;
use std::time::Duration;

use linchpin::Result;
use linchpin::error::ResultExt as _;
use linchpin::time::Instant;

use super::load::{Aim, Load, Pace, Sent, Until};
use super::receiver::Receiver;
use super::service::Service;
use super::{row, single};
use crate::row::{Role, Row};
use crate::stats::{Summary, Times};

/// A service under load, and what was measured of it.
pub(super) struct Bench {
    service: Service,
    receiver: Receiver,
    /// To an application with one endpoint, and to one with ten.
    one: Load,
    ten: Load,
    size: Size,
    rows: Vec<Row>,
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    rounds: usize,
    round: Duration,
    /// Segments of the steady run, and messages in each.
    segments: usize,
    segment: u32,
    /// Deliveries in a burst.
    burst: u64,
    /// Messages after which memory is looked at.
    pub(super) memory: Option<u64>,
}

/// Messages a second in the steady run.
const RATE: u32 = 200;
const ENDPOINTS: u16 = 10;
/// Connections of bursts.
const BURST: usize = 64;
/// The longest that the service may take to deliver what it accepted.
const PATIENCE: Duration = Duration::from_mins(2);
/// Attempts are recorded shortly after the receiver has answered: work that belongs to the round.
const SETTLE: Duration = Duration::from_millis(300);

impl Size {
    pub(super) const FULL: Self = Self {
        rounds: 5,
        round: Duration::from_secs(2),
        segments: 6,
        segment: 1_000,
        burst: 5_000,
        memory: Some(100_000),
    };
    pub(super) const SHORT: Self = Self {
        rounds: 1,
        round: Duration::from_millis(300),
        segments: 1,
        segment: 200,
        burst: 200,
        memory: None,
    };
}

impl Bench {
    /// Starts the service in `folder` and everything around it.
    pub(super) async fn start(folder: &Path, size: Size) -> Result<Self> {
        let origin = Instant::now();
        let service = Service::start(folder).await.context("start the service")?;
        let receiver = Receiver::start(origin).await.context("start the receiver")?;
        service.set_up("bench", &[receiver.url(0)]).await?;
        let urls: Vec<String> = (1..=ENDPOINTS).map(|endpoint| receiver.url(endpoint)).collect();
        service.set_up("bench10", &urls).await?;
        let load = |app| Load::new(&service, app, Aim::All, origin);
        let (one, ten) = (load("bench"), load("bench10"));
        Ok(Self { service, receiver, one, ten, size, rows: Vec::new() })
    }

    /// Latency and processor time at a steady rate, by the timetable; and idle memory before it.
    pub(super) async fn steady(&mut self) -> Result<()> {
        say("a steady load");
        self.add("relay-rss-idle", "MiB", Summary::of_one(self.service.resident()?));
        self.warm_up().await?;
        let (mut created, mut arrived, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.size.segments {
            self.receiver.reset();
            let before = self.service.cpu()?;
            created.push(self.one.open(RATE, self.size.segment).await?);
            arrived.push(self.receiver.wait(self.size.segment as usize, PATIENCE).await?.1);
            tokio::time::sleep(SETTLE).await;
            cpu.push((self.service.cpu()? - before) * 1e3 / f64::from(self.size.segment));
        }
        for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            self.add(&format!("relay-e2e-{name}"), "ms", latency(&arrived, share));
        }
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            self.add(&format!("relay-create-{name}"), "ms", latency(&created, share));
        }
        self.add("relay-cpu", "s/1000", Summary::of_rounds(&cpu));
        Ok(())
    }

    /// How many messages a second are accepted in a closed loop, while deliveries go on.
    pub(super) async fn accept(&mut self, connections: usize) -> Result<()> {
        say(&format!("{connections} connections"));
        let (mut rates, mut groups, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.size.rounds {
            self.receiver.reset();
            let (spent, before) = (self.service.cpu()?, self.service.groups().await?);
            let sent = self
                .one
                .closed(connections, Until::Passed(self.size.round), &Pace::Accepted)
                .await?;
            self.receiver.wait(sent.messages as usize, PATIENCE).await?;
            tokio::time::sleep(SETTLE).await;
            let after = self.service.groups().await?;
            let commits = after.commits - before.commits;
            rates.push(sent.messages as f64 / sent.took.as_secs_f64());
            groups.push((after.requests - before.requests) / commits);
            cpu.push((self.service.cpu()? - spent) * 1e3 / sent.messages as f64);
        }
        self.add(&format!("relay-accept-{connections}"), "/s", Summary::of_rounds(&rates));
        let name = format!("relay-group-{connections}");
        self.add(&name, "requests/commit", Summary::of_rounds(&groups));
        if connections == 64 {
            self.add("relay-cpu-64", "s/1000", Summary::of_rounds(&cpu));
        }
        Ok(())
    }

    /// Deliveries a second of a burst, from the first message sent to the last delivery received.
    pub(super) async fn deliver(&mut self) -> Result<()> {
        say("bursts");
        self.bursts("relay-deliver", 1).await
    }

    /// The same with ten endpoints.
    pub(super) async fn fan_out(&mut self) -> Result<()> {
        say("bursts to ten endpoints");
        self.bursts("relay-fanout-10", u64::from(ENDPOINTS)).await
    }

    /// Sixteen connections that each wait for their delivery: what a message costs when the service is kept busy and
    /// never ahead of its receivers. To one endpoint and to ten.
    pub(super) async fn sustain(&mut self) -> Result<()> {
        say("connections that wait for their deliveries");
        self.paced("relay-sustain", 1).await?;
        self.paced("relay-sustain-10", u64::from(ENDPOINTS)).await
    }

    async fn paced(&mut self, name: &str, endpoints: u64) -> Result<()> {
        let pace = Pace::Delivered(self.receiver.watch(endpoints, PATIENCE));
        let (mut rates, mut cpu) = (Vec::new(), Vec::new());
        for _ in 0..self.size.rounds {
            self.receiver.reset();
            let before = self.service.cpu()?;
            let sent =
                self.load(endpoints).closed(16, Until::Passed(self.size.round), &pace).await?;
            tokio::time::sleep(SETTLE).await;
            let deliveries = (sent.messages * endpoints) as f64;
            rates.push(deliveries / sent.took.as_secs_f64());
            cpu.push((self.service.cpu()? - before) * 1e3 / deliveries);
        }
        self.add(name, "/s", Summary::of_rounds(&rates));
        self.add(&format!("{name}-cpu"), "s/1000", Summary::of_rounds(&cpu));
        Ok(())
    }

    /// What the disk below the service allows one commit at a time.
    pub(super) async fn single_commit(&mut self, folder: &Path) -> Result<()> {
        say("single commits");
        let rates = single::commits(folder, self.size.rounds, self.size.round).await?;
        let subject = ("linchpin-data's writer", Role::Ours);
        let summary = Summary::of_rounds(&rates);
        self.rows.push(Row::new("relay", "relay-single-commit", subject, "/s", summary));
        Ok(())
    }

    /// Memory after so many messages to a fresh service.
    pub(super) async fn memory(&mut self, messages: u64) -> Result<()> {
        say(&format!("memory after {messages} messages"));
        self.burst(1, messages).await?;
        tokio::time::sleep(SETTLE).await;
        self.add("relay-rss-100k", "MiB", Summary::of_one(self.service.resident()?));
        Ok(())
    }

    /// Ends the service and gives out the rows.
    pub(super) async fn finish(self) -> Result<Vec<Row>> {
        self.service.end().await?;
        Ok(self.rows)
    }

    /// Connections, caches and code that the first messages need, once.
    async fn warm_up(&self) -> Result<()> {
        self.burst(1, u64::from(self.size.segment)).await.map(drop)
    }

    async fn bursts(&mut self, name: &str, endpoints: u64) -> Result<()> {
        let mut rates = Vec::new();
        for _ in 0..self.size.rounds {
            rates.push(self.burst(endpoints, self.size.burst / endpoints).await?);
        }
        self.add(name, "/s", Summary::of_rounds(&rates));
        Ok(())
    }

    /// Deliveries a second of one burst of `messages`.
    async fn burst(&self, endpoints: u64, messages: u64) -> Result<f64> {
        self.receiver.reset();
        let load = self.load(endpoints);
        let Sent { began, messages, .. } =
            load.closed(BURST, Until::Sent(messages), &Pace::Accepted).await?;
        let deliveries = messages * endpoints;
        let (last, _) = self.receiver.wait(deliveries as usize, PATIENCE).await?;
        Ok(deliveries as f64 / (last - began).as_secs_f64())
    }

    fn load(&self, endpoints: u64) -> &Load {
        if endpoints == 1 { &self.one } else { &self.ten }
    }

    fn add(&mut self, operation: &str, unit: &'static str, summary: Summary) {
        self.rows.push(row(operation, unit, summary));
    }
}

/// A percentile over all segments in milliseconds, between the best and the worst segment.
fn latency(segments: &[Times], share: f64) -> Summary {
    let mut all = Times::default();
    for segment in segments {
        all.add(segment);
    }
    let each: Vec<f64> = segments.iter().map(|segment| segment.millis(share)).collect();
    Summary { median: all.millis(share), ..Summary::of_rounds(&each) }
}

fn say(what: &str) {
    eprintln!("measuring {what}");
}
