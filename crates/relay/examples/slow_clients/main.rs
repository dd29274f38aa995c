//! The drill of slow clients: thousands of connections that say nothing, go a byte at a time or never read, beside clients
//! that behave, who must not notice.
//!
//! Phases with and without the bad clients alternate, each on the same Relay, and each as long as it takes until all bad ones must be
//! closed. All bad ones must be closed within their limit
//! and two seconds; no good one may be answered with a 5xx; the memory grows by less than 100 MiB and is used
//! again, so that the last round needs hardly more; and, in the long run, the median of the ratios of the good ones' 99th percentiles is at most 1.5.
//!
//! ```text
//! slow_clients --relay target/release/relay
//! slow_clients --relay target/debug/relay --short
//! slow_clients --relay target/debug/relay --short --planted
//! ```
//!
//! `--short` is for a machine that does other things: a fifth of the connections, two rounds, and no word on percentiles.
//! `--planted` starts a Relay with limits of an hour, which must be found out.
//!
//! The last line states the figures. Exit code 0: it held; 1: it did not; 2: the drill itself could not run.

#![forbid(unsafe_code)]

mod bad;
mod good;
mod relay;
#[path = "../shared/start.rs"]
mod start;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use linchpin_http::server::raise_open_files;

use self::good::Good;
use self::relay::Relay;
use self::verdict::{Round, Verdict};

/// Anything that keeps the drill from running, in words.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Proves that slow clients are closed, and that others do not notice them.
#[derive(Debug, Parser)]
struct Args {
    /// The binary to drill.
    #[arg(long)]
    relay: PathBuf,
    /// A fifth of the connections, two rounds, and no percentiles.
    #[arg(long)]
    short: bool,
    /// With limits that never end anything: it must be found out.
    #[arg(long)]
    planted: bool,
}

/// How much of it.
#[derive(Clone, Copy)]
struct Scale {
    /// Bad clients of each of the three kinds.
    each: usize,
    rounds: usize,
    /// How long the good clients send in a phase.
    phase: Duration,
    is_judged: bool,
}

const LONG: Scale = Scale { each: 1_000, rounds: 5, phase: PHASE, is_judged: true };
const SHORT: Scale = Scale { each: 200, rounds: 2, phase: PHASE, is_judged: false };
/// Until the last of the bad ones must be closed: by then all was asked of the server that they ask.
const PHASE: Duration = relay::BODY.saturating_add(bad::GRACE);
/// Sent before anything is measured, so that no phase pays for what is done once.
const WARM_UP: Duration = Duration::from_secs(2);

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
            eprintln!("slow-clients: {failure}");
            ExitCode::from(2)
        }
    }
}

async fn run(args: &Args) -> Result<bool, Failure> {
    let scale = if args.short { SHORT } else { LONG };
    let files = raise_open_files()?;
    if files < 4 * scale.each as u64 {
        return Err(format!("{files} files may be open, and that is not enough").into());
    }
    let relay = Relay::start(&args.relay, args.planted).await?;
    let good = Good::create(&relay).await?;
    good.send(WARM_UP).await?;

    let mut verdict = Verdict::new(scale.is_judged);
    for _ in 0..scale.rounds {
        let alone = good.send(scale.phase).await?;
        let before = relay.resident()?;
        let bad = bad::Crowd::begin(&relay, good.messages(), scale.each).await?;
        let (beside, peak) = tokio::join!(good.send(scale.phase), relay.peak(scale.phase));
        let closed = bad.closed().await?;
        let round = Round { alone, beside: beside?, closed, grown: peak?.saturating_sub(before) };
        verdict.tell(round);
    }
    verdict.closed_by(&relay.closed().await?);
    verdict.used_again();
    Ok(verdict.held())
}
