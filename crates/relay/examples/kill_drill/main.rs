//! The kill drill: kills Relay again and again under load and proves that nothing acknowledged is lost.
//!
//! All rounds share one database. In each, sixteen clients send messages, the process is killed with SIGKILL at a
//! random moment or right behind an acknowledgement, and started again; every message that was acknowledged must be
//! there at once. The receiver fails a random tenth of the requests. After the last round all deliveries are drained
//! and the books are compared: what the clients were told, what the receiver got, what the database says.
//!
//! ```text
//! kill_drill --relay target/debug/relay --rounds 5 [--seed 7]
//! kill_drill --relay target/debug/relay --trace trace.txt
//! kill_drill --relay target/debug/relay --failing-syncs
//! kill_drill --relay target/debug/relay --rolling --rounds 5
//! ```
//!
//! SIGKILL leaves the page cache alone, so the rounds cannot see a missing `fsync`. `--trace` does: it runs one message
//! under `strace` and checks that the log was synced between its write and the answer. `--failing-syncs` kills nothing:
//! it makes syncs fail under load, and proves that the service needs no restart to come through. `--rolling` kills nobody
//! either: it ends the service by SIGTERM, and proves that nobody is cut off.
//!
//! The last line states the figures. Exit code 0: it held; 1: it did not; 2: the drill itself could not run.

#![forbid(unsafe_code)]

mod failing;
mod load;
mod receiver;
mod rolling;
mod service;
mod trace;
mod verdict;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use self::load::{Load, Target};
use self::receiver::Receiver;
use self::service::{PATIENCE, Service};
use self::verdict::{Books, grouped};

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
    /// Ends it by SIGTERM, so many rounds.
    #[arg(long)]
    rolling: bool,
}

/// The moment of the kill, in milliseconds after the load began.
const KILL_AFTER: std::ops::Range<u64> = 30..400;
/// Of so many rounds one kills at the random moment itself, the others right behind an acknowledgement after it.
const RANDOM_EVERY: u32 = 5;
/// Behind which acknowledgement: not in the first group, which may have begun before the messages were large.
const STRIKE_AT: std::ops::Range<usize> = load::CLIENTS as usize..3 * load::CLIENTS as usize;

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
        None => drill(args, &database).await,
    }
}

fn random(args: &Args) -> fastrand::Rng {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    fastrand::Rng::with_seed(seed)
}

/// `Ok(false)` if something acknowledged was lost or the books do not agree.
async fn drill(args: &Args, database: &Path) -> Result<bool, Failure> {
    let mut random = random(args);
    let receiver = Receiver::start(random.fork()).await?;

    let mut service = Service::start(&args.relay, database).await?;
    let target = Target::create(&service, receiver.url()).await?;
    let mut recovery = Duration::ZERO;
    let mut acknowledged = BTreeSet::new();
    for round in 1..=args.rounds {
        let load = Load::begin(service, &target, round);
        let moment = Duration::from_millis(random.u64(KILL_AFTER));
        tokio::time::sleep(moment).await;
        let told = if round % RANDOM_EVERY == 0 {
            load.kill().await?
        } else {
            load.strike(random.usize(STRIKE_AT)).await?
        };

        service = Service::start(&args.relay, database).await?;
        recovery = recovery.max(service.took());
        let lost = load::missing(&service, &target, &told).await?;
        if !lost.is_empty() {
            let (count, told) = (lost.len(), told.len());
            println!(
                "round {round}: killed after {moment:?}: {count} of {told} acknowledged messages are gone, such as {}",
                lost[0]
            );
            println!("kill-drill: {round} rounds, {count} lost");
            return Ok(false);
        }
        println!("round {round}: killed after {moment:?}, {} acknowledged, all there", told.len());
        acknowledged.extend(told);
    }
    let left = verdict::drained(database, PATIENCE).await?;
    if left > 0 {
        return Err(format!("{left} deliveries are not made, and nothing moves").into());
    }
    service.terminate().await?;

    let books = Books { acknowledged, received: receiver.received() };
    let verdict = verdict::compare(&books, database)?;
    verdict.faults.iter().take(20).for_each(|fault| println!("FAULT: {fault}"));
    println!(
        "kill-drill: {} rounds, {} acknowledged, {} lost, {} repeated, recovery max {:.2} s, integrity {}",
        args.rounds,
        grouped(books.acknowledged.len()),
        verdict.lost,
        grouped(verdict.repeated),
        recovery.as_secs_f64(),
        verdict.integrity,
    );
    Ok(verdict.faults.is_empty())
}
