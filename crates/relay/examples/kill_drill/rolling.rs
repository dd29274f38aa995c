//! The gentle end, again and again under load: nobody is cut off whose request had arrived before the listener closed.
//!
//! Half of the clients keep their connection, half make one for each message. What they are told must be there after the
//! next start. A request has arrived once the kernel has taken it: who is about to send, and has no processor for it, has not
//! begun. One that comes later finds the listener closed, or a connection that said it was its last: one that
//! is cut off all the same is counted apart.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use linchpin::task::{self, Task};
use linchpin::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::Failure;
use crate::load::{self, CLIENTS, Target};
use crate::receiver::Receiver;
use crate::service::{PATIENCE, Service};

/// The moment of the signal, in milliseconds after the load began.
const SIGNAL_AFTER: std::ops::Range<u64> = 20..200;
/// A try to connect that takes longer found the queue closed: the kernel does not answer.
const TAKEN_WITHIN: Duration = Duration::from_millis(20);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What one client was told until nobody listened.
#[derive(Default)]
struct Told {
    acknowledged: Vec<String>,
    /// When a request had arrived that had no answer, if it had, and why it had none.
    cut_off: Vec<(Option<Instant>, String)>,
}

/// The figures of a drill.
#[derive(Default)]
struct Figures {
    acknowledged: usize,
    cut_off: usize,
    late: usize,
    longest: Duration,
}

/// `Ok(false)` if a request was cut off, or something acknowledged is gone.
pub(crate) async fn run(
    relay: &Path,
    database: &Path,
    rounds: u32,
    mut random: fastrand::Rng,
) -> Result<bool, Failure> {
    let receiver = Receiver::start(random.fork()).await?;
    let mut service = Service::start(relay, database).await?;
    let target = Target::create(&service, &receiver.url(0)).await?;
    let mut figures = Figures::default();
    for round in 1..=rounds {
        let clients: Vec<Task<Told>> = (0..CLIENTS)
            .map(|client| {
                let request = Request::new(&service, &target, format!("{round}.{client}"));
                task::spawn("client", request.until_nobody_listens(client % 2 == 0))
            })
            .collect();
        let closed = task::spawn("watch", closes(service.address()?));
        sleep(Duration::from_millis(random.u64(SIGNAL_AFTER))).await;
        let signalled = Instant::now();
        service.terminate().await?;
        figures.longest = figures.longest.max(signalled.elapsed());
        let closed = timeout(PATIENCE, closed.join()).await?;

        let mut told = Told::default();
        for client in clients {
            let mut one = client.join().await;
            told.acknowledged.append(&mut one.acknowledged);
            told.cut_off.append(&mut one.cut_off);
        }
        let (cut_off, late): (Vec<_>, Vec<_>) = told
            .cut_off
            .into_iter()
            .partition(|(arrived, _)| arrived.is_some_and(|at| at < closed));
        service = Service::start(relay, database).await?;
        let missing = load::missing(&service, target.messages(), &told.acknowledged).await?;
        println!(
            "round {round}: {} acknowledged, {} missing, {} cut off, {} too late",
            told.acknowledged.len(),
            missing.len(),
            cut_off.len(),
            late.len(),
        );
        for (arrived, why) in cut_off.iter().take(3) {
            let before = arrived.map(|at| closed - at).unwrap_or_default();
            println!("FAULT: arrived {before:?} before the end: {why}");
        }
        figures.acknowledged += told.acknowledged.len();
        figures.cut_off += cut_off.len() + missing.len();
        figures.late += late.len();
    }
    service.terminate().await?;
    let Figures { acknowledged, cut_off, late, longest } = figures;
    println!(
        "rolling-drill: {rounds} rounds, {acknowledged} acknowledged, {cut_off} cut off or lost, {late} too late, drained \
         within {:.2} s",
        longest.as_secs_f64(),
    );
    Ok(cut_off == 0)
}

/// When nobody listened any more.
async fn closes(address: SocketAddr) -> Instant {
    loop {
        let begun = Instant::now();
        match timeout(TAKEN_WITHIN, TcpStream::connect(address)).await {
            Ok(Ok(_)) => sleep(LOOK_AGAIN).await,
            Ok(Err(_)) | Err(_) => return begun,
        }
    }
}

/// The same message again and again, under ids of its own.
struct Request {
    address: SocketAddr,
    path: String,
    token: Arc<str>,
    name: String,
}

impl Request {
    fn new(service: &Service, target: &Target, name: String) -> Self {
        let path = format!("/api/v1{}?with_content=false", target.messages());
        let address = service.address().expect("it was parsed before");
        Self { address, path, token: service.token().into(), name }
    }

    async fn until_nobody_listens(self, keeps: bool) -> Told {
        let (mut told, mut kept) = (Told::default(), None);
        for number in 0_u64.. {
            let mut stream = match kept.take() {
                Some(stream) => stream,
                None => match TcpStream::connect(self.address).await {
                    Ok(stream) => stream,
                    Err(_) => break,
                },
            };
            let mut arrived = None;
            match timeout(PATIENCE, self.ask(&mut stream, number, &mut arrived)).await {
                Ok(Ok((id, is_last))) => {
                    told.acknowledged.push(id);
                    kept = Some(stream).filter(|_| keeps && !is_last);
                }
                Ok(Err(fault)) => told.cut_off.push((arrived, fault.to_string())),
                Err(_) => told.cut_off.push((arrived, "no answer".to_owned())),
            }
        }
        told
    }

    /// The id of the message, and whether the connection is to be closed.
    async fn ask(
        &self,
        stream: &mut TcpStream,
        number: u64,
        arrived: &mut Option<Instant>,
    ) -> io::Result<(String, bool)> {
        let Self { path, token, name, .. } = self;
        let body = format!(
            r#"{{"eventType":"drill.sent","eventId":"{name}.{number}","payload":{{"number":{number}}}}}"#
        );
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        *arrived = Some(Instant::now());
        let answer = answer(stream).await?;
        let id = answer.body.split('"').find(|word| word.starts_with("msg_"));
        match id.filter(|_| answer.head.starts_with("HTTP/1.1 202 ")) {
            Some(id) => Ok((id.to_owned(), answer.head.contains("\r\nconnection: close\r\n"))),
            None => Err(io::Error::other(format!("answered with {} {}", answer.head, answer.body))),
        }
    }
}

struct Answer {
    /// With the end of its last line.
    head: String,
    body: String,
}

async fn answer(stream: &mut TcpStream) -> io::Result<Answer> {
    const END: &str = "\r\n\r\n";
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once(END) else { continue };
        let head = format!("{head}\r\n");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            return Ok(Answer { body: body.to_owned(), head });
        }
    }
}
