//! What healthy endpoints notice of others that hang or refuse: the same load alone and beside them, by turns.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use linchpin::error::ResultExt as _;
use linchpin::time::Instant;
use linchpin::{Kind, Result};
use tokio::net::TcpSocket;

use super::load::{Aim, Load, Until, channel};
use super::receiver::Receiver;
use super::service::Service;
use super::{found, row, word};
use crate::area::Report;
use crate::row::{Row, figure};
use crate::stats::Summary;

/// Beside whom the p99 of the healthy may be so much of what it is alone.
const RATIO: f64 = 1.5;
/// Healthy endpoints; each message is for one of them.
const HEALTHY: u64 = 20;
/// Messages a second to them.
const RATE: u32 = 200;
/// The channel of the others in the application of the healthy.
const BAD: &str = "bad";
const SENDERS: usize = 16;
const PATIENCE: Duration = Duration::from_mins(1);

/// How much of everything.
#[derive(Clone, Copy, Debug)]
struct Size {
    rounds: usize,
    warm_up: u32,
    messages: u32,
    hanging: usize,
    refusing: usize,
    /// Messages that each of the others has waiting.
    backlog: u64,
}

/// Who else has deliveries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Company {
    Nobody,
    /// Endpoints of the same application.
    OneApp,
    /// Endpoints of as many other applications.
    ManyApps,
}

/// Everything around the service.
#[derive(Debug)]
struct Stage<'a> {
    folder: &'a Path,
    size: Size,
    origin: Instant,
    healthy: Receiver,
    hanging: Vec<Receiver>,
    refusing: Vec<Refusing>,
    /// Messages to the healthy so far.
    sent: u64,
}

/// A port that nobody else gets and nobody listens at.
#[derive(Debug)]
struct Refusing(TcpSocket);

impl Size {
    const FULL: Self = Self {
        rounds: 5,
        warm_up: 500,
        messages: 2_000,
        hanging: 200,
        refusing: 20,
        backlog: 1_000,
    };
    const SHORT: Self =
        Self { rounds: 1, warm_up: 20, messages: 100, hanging: 10, refusing: 2, backlog: 20 };
}

impl Company {
    const ALL: [Self; 3] = [Self::Nobody, Self::OneApp, Self::ManyApps];
}

impl fmt::Display for Company {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "alone",
            Self::OneApp => "one-app",
            Self::ManyApps => "many-apps",
        })
    }
}

/// Measures; a short run proves that everything is delivered and little else.
///
/// # Errors
///
/// If a service cannot be started or fails, and if a healthy endpoint does not get all that is its.
pub fn run(short: bool) -> Result<Report> {
    let size = if short { Size::SHORT } else { Size::FULL };
    super::in_folder(async |folder: &Path| {
        let mut stage = Stage::new(folder, size).await?;
        let rows = stage.measure().await?;
        let verdict = verdict(&rows, short);
        Ok(Report { rows, verdict: Some(verdict) })
    })
}

impl<'a> Stage<'a> {
    async fn new(folder: &'a Path, size: Size) -> Result<Self> {
        let origin = Instant::now();
        let healthy = Receiver::start(origin).await?;
        let mut hanging = Vec::new();
        for _ in 0..size.hanging {
            let receiver = Receiver::start(origin).await?;
            receiver.hang(true);
            hanging.push(receiver);
        }
        let refusing = (0..size.refusing).map(|_| Refusing::new()).collect::<Result<_>>()?;
        Ok(Self { folder, size, origin, healthy, hanging, refusing, sent: 0 })
    }

    async fn measure(&mut self) -> Result<Vec<Row>> {
        for company in Company::ALL {
            eprintln!("preparing a service for {company}");
            self.prepare(company).await.context(format!("prepare {company}"))?;
        }
        let mut rounds = Vec::new();
        for round in 1..=self.size.rounds {
            let mut p99s = Vec::new();
            for company in Company::ALL {
                eprintln!("measuring {company}, round {round}");
                p99s.push(self.round(company).await.context(format!("measure {company}"))?);
            }
            rounds.push(p99s);
        }
        let mut rows = Vec::new();
        for (place, company) in Company::ALL.into_iter().enumerate() {
            let p99s: Vec<f64> = rounds.iter().map(|round| round[place]).collect();
            let name = format!("relay-neighbours-p99-{company}");
            rows.push(row(name, "ms", Summary::of_rounds(&p99s)));
            if company != Company::Nobody {
                let ratios: Vec<f64> = rounds.iter().map(|round| round[place] / round[0]).collect();
                rows.push(row(ratio(company), "times", Summary::of_rounds(&ratios)));
            }
        }
        Ok(rows)
    }

    /// Fills a database, which every round takes up again.
    async fn prepare(&self, company: Company) -> Result<()> {
        let service = self.service(company).await?;
        service.set_up(HEALTHY_APP, &[]).await?;
        for number in 0..HEALTHY {
            let url = self.healthy.url(u16::try_from(number).kind(Kind::Internal)?);
            let endpoint = serde_json::json!({ "url": url, "channels": [channel(number)] });
            service.add_endpoint(HEALTHY_APP, &endpoint).await?;
        }
        let urls = self.hanging.iter().map(|receiver| Ok(receiver.url(0)));
        let urls: Vec<String> =
            urls.chain(self.refusing.iter().map(Refusing::url)).collect::<Result<_>>()?;
        let backlog = Until::Sent(self.size.backlog);
        match company {
            Company::Nobody => {}
            Company::OneApp => {
                for url in urls {
                    let endpoint = serde_json::json!({ "url": url, "channels": [BAD] });
                    service.add_endpoint(HEALTHY_APP, &endpoint).await?;
                }
                let load = Load::new(&service, HEALTHY_APP, Aim::Channel(BAD), self.origin);
                load.closed(SENDERS, backlog).await?;
            }
            Company::ManyApps => {
                for (number, url) in urls.into_iter().enumerate() {
                    let app = format!("{BAD}-{number}");
                    service.set_up(&app, &[url]).await?;
                    let load = Load::new(&service, &app, Aim::All, self.origin);
                    load.closed(SENDERS, backlog).await?;
                }
            }
        }
        service.end().await
    }

    /// The p99 from the moment at which a message was to be sent to its arrival, in milliseconds.
    async fn round(&mut self, company: Company) -> Result<f64> {
        let service = self.service(company).await?;
        let load = Load::new(&service, HEALTHY_APP, Aim::Turns(HEALTHY), self.origin)
            .numbered_from(self.sent);
        let mut p99 = f64::NAN;
        for messages in [self.size.warm_up, self.size.messages] {
            self.healthy.reset();
            load.open(RATE, messages).await?;
            let (_, arrived) = self.healthy.wait(messages as usize, PATIENCE).await?;
            p99 = arrived.millis(0.99);
        }
        self.sent = load.next();
        service.end().await?;
        Ok(p99)
    }

    async fn service(&self, company: Company) -> Result<Service> {
        Service::start(&self.folder.join(company.to_string())).await.context("start the service")
    }
}

impl Refusing {
    fn new() -> Result<Self> {
        let socket = TcpSocket::new_v4().kind(Kind::Unavailable)?;
        socket.bind(([127, 0, 0, 1], 0).into()).kind(Kind::Unavailable)?;
        Ok(Self(socket))
    }

    fn url(&self) -> Result<String> {
        Ok(format!("http://{}/0", self.0.local_addr().kind(Kind::Unavailable)?))
    }
}

const HEALTHY_APP: &str = "healthy";

fn ratio(company: Company) -> String {
    format!("relay-neighbours-ratio-{company}")
}

/// The ratios against the aim, in one line.
fn verdict(rows: &[Row], short: bool) -> String {
    let told = Company::ALL.into_iter().skip(1).map(|company| {
        let median = found(rows, &ratio(company), |row| row.median);
        let word = word(median <= RATIO);
        format!("{} times in {company} (aim <= {RATIO}: {word})", figure(median))
    });
    let told = told.collect::<Vec<_>>().join("; ");
    let short = if short { super::NOT_TO_QUOTE } else { "" };
    format!("relay-neighbours: p99 of the healthy beside others {told}{short}")
}

#[cfg(test)]
mod tests {
    use super::{Company, Summary, ratio, row, verdict};

    #[test]
    fn the_verdict_tells_met_from_missed_and_calls_nothing_met_that_was_not_measured() {
        let rows = [row(ratio(Company::OneApp), "times", Summary::of_one(1.6))];
        let line = verdict(&rows, false);
        assert!(line.contains("1.60 times in one-app (aim <= 1.5: MISSED)"), "{line}");
        assert!(line.ends_with("in many-apps (aim <= 1.5: MISSED)"), "{line}");
    }
}
