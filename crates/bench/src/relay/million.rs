//! A service that has stored a million messages beside itself when it had stored a thousand: what reads, creates, and
//! the way out of the database cost, and how memory grows on the way.

use std::path::Path;
use std::time::Duration;

use linchpin::Result;
use linchpin::error::ResultExt as _;
use linchpin::time::Instant;

use super::load::{Aim, Load, Until};
use super::receiver::Receiver;
use super::service::Service;
use super::{found, row, word};
use crate::area::Report;
use crate::row::{Row, figure};
use crate::stats::Summary;

/// The time of each thing with all messages stored may be so much of what it was with few.
const RATIO: f64 = 1.3;
/// MiB.
const MEMORY: f64 = 100.0;
const APP: &str = "million";
const SENDERS: usize = 16;
const PATIENCE: Duration = Duration::from_mins(2);

/// How much of everything.
#[derive(Clone, Copy, Debug)]
struct Size {
    few: u64,
    all: u64,
    /// Messages after which memory is looked at again.
    step: u64,
    /// Reads of each list.
    reads: usize,
    /// Messages that are created one after another, and those that come out of the database.
    batch: u64,
}

/// What takes a time that must not depend on what is stored, in milliseconds.
type Costs = Vec<(&'static str, Summary)>;

#[derive(Debug)]
struct Soak<'a> {
    folder: &'a Path,
    size: Size,
    origin: Instant,
    receiver: Receiver,
    sent: u64,
    /// Resident MiB after each step.
    resident: Vec<f64>,
}

impl Size {
    const FULL: Self = Self { few: 1_000, all: 1_000_000, step: 50_000, reads: 200, batch: 2_000 };
    const SHORT: Self = Self { few: 100, all: 1_000, step: 250, reads: 5, batch: 50 };
}

/// Measures; a short run proves that everything is delivered and little else.
///
/// # Errors
///
/// If the service cannot be started or fails, and if anything it accepted is not delivered.
pub fn run(short: bool) -> Result<Report> {
    let size = if short { Size::SHORT } else { Size::FULL };
    super::in_folder(async |folder: &Path| {
        let origin = Instant::now();
        let receiver = Receiver::start(origin).await?;
        let mut soak = Soak { folder, size, origin, receiver, sent: 0, resident: Vec::new() };
        let rows = soak.measure().await?;
        let mut verdict = verdict(&rows);
        if short {
            verdict += super::NOT_TO_QUOTE;
        }
        Ok(Report { rows, verdict: Some(verdict) })
    })
}

impl Soak<'_> {
    async fn measure(&mut self) -> Result<Vec<Row>> {
        let service = self.start().await?;
        service.set_up(APP, &[self.receiver.url(0)]).await?;
        let service = self.send(service, self.size.few).await?;
        eprintln!("measuring with {} messages stored", self.sent);
        let (service, few) = self.costs(service).await?;
        let mut service = service;
        while self.sent < self.size.all {
            service = self.send(service, self.size.step).await?;
            self.resident.push(service.resident()?);
            eprintln!("{} messages stored", self.sent);
        }
        let (service, all) = self.costs(service).await?;
        service.end().await?;
        let mut rows = Vec::new();
        for ((name, few), (_, all)) in few.into_iter().zip(all) {
            let ratio = Summary::of_one(all.median / few.median);
            rows.push(row(format!("relay-stored-few-{name}"), "ms", few));
            rows.push(row(format!("relay-stored-all-{name}"), "ms", all));
            rows.push(row(format!("relay-stored-ratio-{name}"), "times", ratio));
        }
        let half = self.resident.len() / 2;
        let (before, after) = self.resident.split_at(half);
        let growth = Summary::of_rounds(after).median - Summary::of_rounds(before).median;
        rows.push(row("relay-rss-load", "MiB", Summary::of_rounds(&self.resident)));
        rows.push(row("relay-rss-growth", "MiB", Summary::of_one(growth)));
        Ok(rows)
    }

    async fn start(&self) -> Result<Service> {
        Service::start(self.folder).await.context("start the service")
    }

    fn load(&self, service: &Service) -> Load {
        Load::new(service, APP, Aim::All, self.origin).numbered_from(self.sent)
    }

    /// So many messages, all of them delivered.
    async fn send(&mut self, service: Service, messages: u64) -> Result<Service> {
        self.receiver.reset();
        let load = self.load(&service);
        load.closed(SENDERS, Until::Sent(messages)).await?;
        self.receiver.wait(messages as usize, PATIENCE).await?;
        self.sent = load.next();
        Ok(service)
    }

    async fn costs(&mut self, service: Service) -> Result<(Service, Costs)> {
        let mut costs = Vec::new();
        let first = service.read(&format!("/api/v1/app/{APP}/msg?limit=1")).await?;
        let message = first["data"][0]["id"].as_str().unwrap_or_default().to_owned();
        let first = service.read(&format!("/api/v1/app/{APP}/endpoint")).await?;
        let endpoint = first["data"][0]["id"].as_str().unwrap_or_default().to_owned();
        let lists = [
            ("list-messages", "msg?limit=50".to_owned()),
            ("list-attempts", format!("attempt/endpoint/{endpoint}?limit=50")),
            ("list-failed", format!("attempt/endpoint/{endpoint}?limit=50&status=0")),
            ("list-of-message", format!("attempt/msg/{message}?limit=50")),
            ("get-message", format!("msg/{message}")),
        ];
        for (name, path) in lists {
            let path = format!("/api/v1/app/{APP}/{path}");
            let mut times = Vec::new();
            for _ in 0..self.size.reads {
                let began = Instant::now();
                service.read(&path).await?;
                times.push(began.elapsed().as_secs_f64() * 1e3);
            }
            costs.push((name, Summary::of_samples(&times)));
        }
        costs.push(("create", self.create(&service).await?));
        let (service, claim) = self.claim(service).await?;
        costs.push(("claim", claim));
        Ok((service, costs))
    }

    /// One after another, each to its 202.
    async fn create(&mut self, service: &Service) -> Result<Summary> {
        self.receiver.reset();
        let load = self.load(service);
        let mut rounds = Vec::new();
        for _ in 0..5 {
            let sent = load.closed(1, Until::Sent(self.size.batch / 5)).await?;
            rounds.push(sent.took.as_secs_f64() * 1e3 / sent.messages as f64);
        }
        let messages = load.next() - self.sent;
        self.receiver.wait(messages as usize, PATIENCE).await?;
        self.sent = load.next();
        Ok(Summary::of_rounds(&rounds))
    }

    /// What waits in the database when a service starts, to the last arrival, by the delivery.
    async fn claim(&mut self, service: Service) -> Result<(Service, Summary)> {
        let (mut rounds, mut service) = (Vec::new(), service);
        for _ in 0..5 {
            self.receiver.hang(true);
            let load = self.load(&service);
            let sent = load.closed(SENDERS, Until::Sent(self.size.batch)).await?;
            self.sent = load.next();
            service.end().await?;
            self.receiver.hang(false);
            self.receiver.reset();
            service = self.start().await?;
            let ready = Instant::now();
            let (last, _) = self.receiver.wait(sent.messages as usize, PATIENCE).await?;
            let took = last - ready;
            rounds.push(took.as_secs_f64() * 1e3 / sent.messages as f64);
        }
        Ok((service, Summary::of_rounds(&rounds)))
    }
}

/// The figures against the aims, in one line.
fn verdict(rows: &[Row]) -> String {
    let ratios = rows.iter().filter(|row| row.operation.starts_with("relay-stored-ratio-"));
    let worst = ratios.max_by(|a, b| a.median.total_cmp(&b.median));
    let worst = worst.map_or(("nothing", f64::NAN), |row| (row.operation.as_str(), row.median));
    let most = found(rows, "relay-rss-load", |row| row.high);
    format!(
        "relay-million: {} costs {} times what it did with few messages stored (aim <= {RATIO}: {}); \
         {} MiB at most (aim <= {MEMORY}: {})",
        worst.0,
        figure(worst.1),
        word(worst.1 <= RATIO),
        figure(most),
        word(most <= MEMORY),
    )
}

#[cfg(test)]
mod tests {
    use super::{Summary, row, verdict};

    #[test]
    fn the_verdict_names_what_grew_most_and_calls_nothing_met_that_was_not_measured() {
        let rows = [
            row("relay-stored-ratio-create", "times", Summary::of_one(1.1)),
            row("relay-stored-ratio-claim", "times", Summary::of_one(1.4)),
        ];
        let line = verdict(&rows);
        assert!(line.contains("relay-stored-ratio-claim costs 1.40 times"), "{line}");
        assert!(line.contains("(aim <= 1.3: MISSED)"), "{line}");
        assert!(line.ends_with("at most (aim <= 100: MISSED)"), "{line}");
    }
}
