//! Sends messages: as fast as answers come (closed loop) or by a timetable (open loop).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use linchpin::error::ResultExt as _;
use linchpin::task::{self, Group};
use linchpin::time::Instant;
use linchpin::{Context, Error, Kind, Result};
use tokio::sync::{Mutex, mpsc};

use super::http::Connection;
use super::receiver::Watch;
use super::service::Service;
use crate::stats::Times;

/// The first bytes of every payload, which come back with the delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stamp {
    pub(super) number: u64,
    /// When the message was to be sent, since the origin of the run.
    pub(super) at: Duration,
}

/// Where messages go to.
#[derive(Clone, Debug)]
pub(super) struct Load {
    target: Arc<Target>,
}

#[derive(Debug)]
struct Target {
    api: SocketAddr,
    token: String,
    app: String,
    aim: Aim,
    origin: Instant,
    /// Numbers are given out once, over all rounds: a late delivery is no delivery of the next.
    next: AtomicU64,
}

/// Which endpoints of the application messages are for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Aim {
    /// All of them.
    All,
    /// Those that listen to this channel.
    Channel(&'static str),
    /// Those of the first channel, of the second and so on, by turns among so many: see [`channel`].
    Turns(u64),
}

/// When a closed loop ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    Passed(Duration),
    Sent(u64),
}

/// What a connection of a closed loop waits for before its next message.
#[derive(Clone, Debug)]
pub(super) enum Pace {
    Accepted,
    /// Delivered to all endpoints: never more messages are on their way than there are connections.
    Delivered(Watch),
}

/// A closed loop that has ended; every message was accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) began: Instant,
    pub(super) took: Duration,
    pub(super) messages: u64,
}

/// The size of a payload.
const PAYLOAD: usize = 1024;
/// Connections of the open loop: far more than are ever busy unless the service stalls.
const OPEN_CONNECTIONS: usize = 64;

// ===== impl Load =====

impl Load {
    /// To an application of that service; stamps are counted from `origin`.
    pub(super) fn new(service: &Service, app: &str, aim: Aim, origin: Instant) -> Self {
        let target = Target {
            api: service.api,
            token: service.token.clone(),
            app: app.to_owned(),
            aim,
            origin,
            next: AtomicU64::new(0),
        };
        Self { target: Arc::new(target) }
    }

    /// The numbers begin here: those below were another load's, to the same receiver.
    pub(super) fn numbered_from(self, first: u64) -> Self {
        self.target.next.store(first, Ordering::Relaxed);
        self
    }

    /// The number of the next message.
    pub(super) fn next(&self) -> u64 {
        self.target.next.load(Ordering::Relaxed)
    }

    /// Each connection sends the next message when the last has come as far as `pace` says.
    ///
    /// # Errors
    ///
    /// The first answer that is not a 202, and a message that is not delivered in time if that is waited for.
    pub(super) async fn closed(
        &self,
        connections: usize,
        until: Until,
        pace: &Pace,
    ) -> Result<Sent> {
        let lines = self.connect(connections).await?;
        let began = Instant::now();
        let sent = Arc::new(AtomicU64::new(0));
        let mut group = Group::new(&Context::root());
        for mut line in lines {
            let (sent, pace) = (Arc::clone(&sent), pace.clone());
            group.spawn("bench-sender", move |_| async move {
                let mut accepted: u64 = 0;
                while until.allows(began, &sent) {
                    match &pace {
                        Pace::Accepted => line.send(Instant::now()).await?,
                        Pace::Delivered(watch) => line.deliver(watch).await?,
                    }
                    accepted += 1;
                }
                Ok(accepted)
            });
        }
        let accepted: Vec<u64> = group.join().await?;
        Ok(Sent { began, took: began.elapsed(), messages: accepted.iter().sum() })
    }

    /// Sends `messages` at `rate` a second, whether or not earlier ones were answered; returns
    /// the times from when each was due to its 202.
    ///
    /// # Errors
    ///
    /// The first answer that is not a 202.
    pub(super) async fn open(&self, rate: u32, messages: u32) -> Result<Times> {
        let lines = self.connect(OPEN_CONNECTIONS).await?;
        let due = timetable(rate, messages)?;
        let mut group = Group::new(&Context::root());
        for mut line in lines {
            let due = Arc::clone(&due);
            group.spawn("bench-sender", move |_| async move {
                let mut times = Times::default();
                while let Some(at) = { due.lock().await.recv().await } {
                    line.send(at).await?;
                    times.record(at.elapsed());
                }
                Ok(times)
            });
        }
        let mut all = Times::default();
        for times in group.join().await? {
            all.add(&times);
        }
        Ok(all)
    }

    async fn connect(&self, connections: usize) -> Result<Vec<Line>> {
        let mut lines = Vec::with_capacity(connections);
        for _ in 0..connections {
            let connection =
                Connection::open(self.target.api).await.context("open a connection")?;
            lines.push(Line { target: Arc::clone(&self.target), connection });
        }
        Ok(lines)
    }
}

impl Until {
    fn allows(self, began: Instant, sent: &AtomicU64) -> bool {
        match self {
            Self::Passed(time) => began.elapsed() < time,
            Self::Sent(messages) => sent.fetch_add(1, Ordering::Relaxed) < messages,
        }
    }
}

/// The moments at which messages are due, each handed out when it has come.
///
/// A thread of its own keeps the time: tokio's timer rounds up to milliseconds, which is a quarter
/// of what is measured.
fn timetable(rate: u32, messages: u32) -> Result<Arc<Mutex<mpsc::Receiver<Instant>>>> {
    // Room for all: a stalled service must not hold up the timetable.
    let (sender, receiver) = mpsc::channel(messages as usize);
    let began = Instant::now();
    let keep_time = move || {
        for number in 0..messages {
            let at = began + Duration::from_secs(1) * number / rate;
            std::thread::sleep(at - Instant::now());
            if sender.try_send(at).is_err() {
                return;
            }
        }
    };
    // It ends by itself, at the latest when the receiver is gone.
    drop(task::thread("bench-timetable", keep_time).kind(Kind::ResourceExhausted)?);
    Ok(Arc::new(Mutex::new(receiver)))
}

/// The name of a channel by its number.
pub(super) fn channel(number: u64) -> String {
    format!("channel-{number}")
}

// ===== one connection =====

/// A connection that messages are sent on.
struct Line {
    target: Arc<Target>,
    connection: Connection,
}

impl Line {
    /// Sends a message that was due at `at`, and waits until it is accepted.
    async fn send(&mut self, at: Instant) -> Result<()> {
        self.send_numbered(self.target.number(), at).await
    }

    /// Sends a message now, and waits until it is delivered.
    async fn deliver(&mut self, watch: &Watch) -> Result<()> {
        let number = self.target.number();
        let delivery = watch.expect(number);
        self.send_numbered(number, Instant::now()).await?;
        delivery.complete().await
    }

    /// Sends a message of a number that was taken before.
    async fn send_numbered(&mut self, number: u64, at: Instant) -> Result<()> {
        let stamp = Stamp { number, at: at - self.target.origin };
        let (status, body) = self.connection.exchange(&self.target.request(stamp)).await?;
        if status != 202 {
            let text =
                format!("a message was answered {status}: {}", String::from_utf8_lossy(body));
            return Err(Error::new(Kind::Unavailable, text));
        }
        Ok(())
    }
}

impl Target {
    /// Takes a number.
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn request(&self, stamp: Stamp) -> Vec<u8> {
        let Self { api, token, app, aim, .. } = self;
        let channels = match aim {
            Aim::All => String::new(),
            Aim::Channel(name) => format!(r#","channels":["{name}"]"#),
            Aim::Turns(among) => format!(r#","channels":["{}"]"#, channel(stamp.number % among)),
        };
        let body =
            format!(r#"{{"eventType":"bench.event"{channels},"payload":{}}}"#, stamp.payload());
        format!(
            "POST /api/v1/app/{app}/msg HTTP/1.1\r\nhost: {api}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\nidempotency-key: {app}-{}\r\n\
             content-length: {}\r\n\r\n{body}",
            stamp.number,
            body.len(),
        )
        .into_bytes()
    }
}

// ===== impl Stamp =====

impl Stamp {
    const DIGITS: usize = 20;
    const BEFORE: &str = r#"{"number":""#;
    const BETWEEN: &str = r#"","at":""#;

    /// A JSON object of [`PAYLOAD`] bytes that begins with the stamp. Numbers are strings, so that
    /// they can be padded.
    fn payload(self) -> String {
        const PADDING: &str = r#"","padding":""#;
        const END: &str = r#""}"#;
        let (number, at) = (self.number, self.at.as_nanos());
        let fixed = Self::BEFORE.len() + Self::BETWEEN.len() + PADDING.len() + END.len();
        let width = PAYLOAD - fixed - 2 * Self::DIGITS;
        format!(
            "{}{number:020}{}{at:020}{PADDING}{:x<width$}{END}",
            Self::BEFORE,
            Self::BETWEEN,
            ""
        )
    }

    /// The stamp of a payload; `None` if it has none, so was changed on its way.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok().filter(|text| text.len() == PAYLOAD)?;
        let (number, rest) = text.strip_prefix(Self::BEFORE)?.split_at_checked(Self::DIGITS)?;
        let at = rest.strip_prefix(Self::BETWEEN)?.get(..Self::DIGITS)?;
        Some(Self { number: number.parse().ok()?, at: Duration::from_nanos(at.parse().ok()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, PAYLOAD, Stamp};

    #[test]
    fn a_stamp_survives_the_way_and_the_payload_is_a_kibibyte_of_json() {
        let stamp = Stamp { number: 42, at: Duration::from_nanos(1_234_567) };
        let payload = stamp.payload();
        assert_eq!(payload.len(), PAYLOAD);
        serde_json::from_str::<serde_json::Value>(&payload).expect("JSON");
        assert_eq!(Stamp::read(payload.as_bytes()), Some(stamp));
    }

    #[test]
    fn a_payload_that_was_changed_has_no_stamp() {
        let payload = Stamp { number: 1, at: Duration::ZERO }.payload();
        assert_eq!(Stamp::read(&payload.as_bytes()[1..]), None);
        assert_eq!(Stamp::read(payload.replace("\":", "\": ").as_bytes()), None);
    }
}
