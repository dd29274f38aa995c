//! `relay listen`: a receiver that registers itself, verifies what arrives and shows it.
//!
//! It can be told to answer badly, so that retries and recoveries can be watched.

mod answer;
mod receive;
mod register;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use linchpin::error::ResultExt as _;
use linchpin::sync::Mutex;
use linchpin_http::client::{AddressPolicy, Client, ClientOptions};
use linchpin_http::lifecycle::{Lifecycle, Options};
use linchpin_http::server::Server;

pub use self::answer::{Answer, Answers};
use self::receive::Receiver;
pub use self::register::DEMO_APP;

/// The Relay that is registered with.
#[derive(Clone)]
pub struct Target {
    /// Its base URL, such as `http://127.0.0.1:8071`.
    pub url: String,
    /// A token of an organisation.
    pub token: String,
}

/// Receives until a signal comes.
///
/// # Errors
///
/// If the address is taken, or Relay refuses the registration.
pub async fn run(addr: SocketAddr, target: Target, answers: Vec<Answer>) -> linchpin::Result<()> {
    let life = Lifecycle::new(Options::default())?;
    let _signals = life.signals()?;
    let client =
        Client::new(ClientOptions::default().addresses(AddressPolicy::public().allow_loopback()))?;
    let server = Server::bind(addr).await.context("start the receiver")?;
    let receiver = format!("http://{}/", server.local_addr());
    let session = async {
        let verifier = register::register(life.accepting(), &client, &target, &receiver).await?;
        let shared = Receiver { verifier, answers: Answers::new(answers), seen: Mutex::default() };
        println!("receiving on {receiver} for application `{DEMO_APP}` of {}", target.url);
        println!("send a message with the `curl` that `relay serve` printed; stop with Ctrl-C\n");
        server.serve(receive::router(Arc::new(shared))).run(&life).await
    };
    let session = async {
        let ended = session.await;
        life.shutdown("the receiver has ended");
        ended
    };
    let (_, ended) = tokio::join!(life.finished(), session);
    ended
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("url", &self.url).finish_non_exhaustive()
    }
}
