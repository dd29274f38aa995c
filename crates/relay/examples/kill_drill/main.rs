//! The kill drill: kills Relay again and again under load and proves that nothing acknowledged is lost.
//!
//! All rounds share one database. In each, sixteen clients send messages, the process is killed with SIGKILL at a
//! random moment or right behind an acknowledgement, and started again; every message that was acknowledged must be
//! there at once. Beside them messages are sent once more, failures are recovered, what is missing is replayed, shared secrets
//! and key pairs are rotated, endpoints and applications come and go, content is swept, and so are messages that are old. The
//! receiver fails a random tenth of the requests. After the last round all deliveries are drained and the books are compared,
//! message by message and endpoint by endpoint: what the clients were told, what the receiver got and by whom it was signed, what the database says.
//!
//! ```text
//! kill_drill --relay target/debug/relay --rounds 5 [--seed 7]
//! kill_drill --relay target/debug/relay --trace trace.txt
//! kill_drill --relay target/debug/relay --failing-syncs
//! kill_drill --relay target/debug/relay --failing-writes --rounds 5
//! kill_drill --relay target/debug/relay --rolling --rounds 5
//! ```
//!
//! SIGKILL leaves the page cache alone, so the rounds cannot see a missing `fsync`. `--trace` does: it runs one message
//! under `strace` and checks that the log was synced between its write and the answer. `--failing-syncs` kills nothing:
//! it makes syncs fail under load, and proves that the service needs no restart to come through. `--failing-writes` has
//! the disk fail in one way or another before each kill, and proves that what was acknowledged all the same is there.
//! `--rolling` kills nobody: it ends the service by SIGTERM, and proves that nobody is cut off.
//!
//! The last line states the figures. Exit code 0: it held; 1: it did not; 2: the drill itself could not run.

#![forbid(unsafe_code)]

mod beside;
mod books;
mod by_hand;
mod disk;
mod drill;
mod failing;
mod guest;
#[path = "../shared/hours.rs"]
mod hours;
mod load;
mod receiver;
mod rolling;
mod secrets;
mod service;
#[path = "../shared/start.rs"]
mod start;
mod trace;
mod verdict;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Anything that keeps the drill from running, in words.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Kills Relay under load and proves that nothing acknowledged is lost.
#[derive(Debug, Parser)]
struct Args {
    /// The binary to drill.
    #[arg(long)]
    relay: PathBuf,
    /// How often to kill it.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Repeats the random choices of an earlier run; the timing still differs.
    #[arg(long)]
    seed: Option<u64>,
    /// Sends one message under strace, writes the trace here and checks the order of sync and answer.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Makes syncs fail under load, and kills nothing.
    #[arg(long)]
    failing_syncs: bool,
    /// Has the disk fail before each kill.
    #[arg(long)]
    failing_writes: bool,
    /// Ends it by SIGTERM, so many rounds.
    #[arg(long)]
    rolling: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(run(&args)));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("kill-drill: {failure}");
            ExitCode::from(2)
        }
    }
}

async fn run(args: &Args) -> Result<bool, Failure> {
    let home = tempfile::tempdir()?;
    let database = home.path().join("relay.db");
    match &args.trace {
        Some(file) => trace::run(&args.relay, &database, file).await,
        None if args.rolling => {
            rolling::run(&args.relay, &database, args.rounds, random(args)).await
        }
        None if args.failing_syncs => failing::run(&args.relay, &database).await,
        None if args.failing_writes => {
            disk::run(&args.relay, home.path(), args.rounds, random(args)).await
        }
        None => drill::run(&args.relay, &database, args.rounds, random(args)).await,
    }
}

fn random(args: &Args) -> fastrand::Rng {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    fastrand::Rng::with_seed(seed)
}
