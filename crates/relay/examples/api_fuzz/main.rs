//! Fuzzes Relay's API by its own OpenAPI document, then its server with bytes that are no HTTP.
//!
//! ```text
//! api_fuzz --relay target/debug/relay --requests 1000 [--seed 7] [--operation endpoint.]
//! api_fuzz --relay target/debug/relay --planted
//! ```
//!
//! What each request and each answer is like is told in `fuzz`. Afterwards the service must run, deliver a good message, have no
//! error in its log, and hold little more memory than before. `--planted` puts faults into the answers, each of which must be found.
//!
//! A fault is shown with a line that sends the request again. The last line states the figures. Exit code 0: nothing was
//! found; 1: something was; 2: the fuzzer itself could not run.

#![forbid(unsafe_code)]

mod fuzz;
#[path = "../shared/output.rs"]
mod output;
mod service;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use self::fuzz::{Plant, Receiver, Report, Settings, Target, raw, well};
use self::service::Service;

/// Anything that keeps the fuzzer from running, in words.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Fuzzes Relay's API by its own `OpenAPI` document.
#[derive(Debug, Parser)]
struct Args {
    /// The binary to try.
    #[arg(long)]
    relay: PathBuf,
    /// Requests to each operation.
    #[arg(long, default_value_t = 200)]
    requests: usize,
    /// Repeats the requests of an earlier run, but for the ids in them.
    #[arg(long)]
    seed: Option<u64>,
    /// Only operations with this in their name, such as `endpoint.create`, and nothing that is no HTTP.
    #[arg(long, default_value = "")]
    operation: String,
    /// In how many milliseconds each answer must be there.
    #[arg(long, default_value_t = 2_000)]
    within: u64,
    /// Puts faults into the answers; each must be found.
    #[arg(long)]
    planted: bool,
}

/// So many requests make everything warm.
const WARM: usize = 20;
/// How much more memory it may hold than when it was warm, in MiB.
const GROWTH: u64 = 128;

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
            eprintln!("api-fuzz: {failure}");
            ExitCode::from(2)
        }
    }
}

async fn run(args: &Args) -> Result<bool, Failure> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    let home = tempfile::tempdir()?;
    let receiver = Receiver::start().await?;
    let mut service = Service::start(&args.relay, &home.path().join("relay.db")).await?;
    let target = Target::new(service.api, receiver.url.clone()).await?;
    let settings = Settings {
        seed,
        requests: args.requests,
        operation: args.operation.clone(),
        within: Duration::from_millis(args.within),
        plant: None,
    };
    if args.planted {
        planted(&target, &settings).await
    } else {
        fuzzed(&target, &settings, &mut service).await
    }
}

/// Whether nothing was found.
async fn fuzzed(
    target: &Target,
    settings: &Settings,
    service: &mut Service,
) -> Result<bool, Failure> {
    fuzz::run(target, &Settings { requests: WARM, ..settings.clone() }).await?;
    let warm = well::memory(service.id()?)?;
    let report = fuzz::run(target, settings).await?;
    show(&report);
    let mut faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();

    let mut pieces = 0;
    // What does not end is closed by the server's own time limits, half a minute each.
    for ends in [true, false] {
        if settings.operation.is_empty() {
            let (sent, found) = raw::run(target, settings.seed, settings.requests, ends).await;
            pieces += sent;
            faults.extend(found);
        }
    }
    if !service.is_alive() {
        faults.push("the service has ended".to_owned());
    } else if let Err(fault) = well::is_well(target).await {
        faults.push(fault);
    }
    faults.extend(well::errors(&service.log()).map(|line| format!("in the log: {line}")));
    let growth = well::memory(service.id()?)?.saturating_sub(warm);
    if growth > GROWTH {
        faults.push(format!("{growth} MiB of memory more than at {warm} MiB"));
    }

    for fault in &faults {
        println!("FAULT: {fault}");
    }
    println!(
        "api-fuzz: seed {}, {} requests to {} operations, {pieces} that are no HTTP, {} faults, slowest {:.2} s, memory +{growth} MiB",
        settings.seed,
        report.requests(),
        report.answers.len(),
        faults.len(),
        report.slowest.as_secs_f64(),
    );
    Ok(faults.is_empty())
}

/// Whether each planted fault was found.
async fn planted(target: &Target, settings: &Settings) -> Result<bool, Failure> {
    let mut all = true;
    for plant in Plant::ALL {
        let report =
            fuzz::run(target, &Settings { plant: Some(plant), ..settings.clone() }).await?;
        println!("{plant:?}: {} faults", report.faults.len());
        all &= !report.faults.is_empty();
    }
    println!("api-fuzz: planted faults {}", if all { "found" } else { "NOT FOUND" });
    Ok(all)
}

fn show(report: &Report) {
    for (operation, answers) in &report.answers {
        let answers: Vec<_> =
            answers.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        println!("{operation:<40} {}", answers.join(", "));
    }
    let unreached = report.unreached();
    if !unreached.is_empty() {
        println!("never a success: {}", unreached.join(", "));
    }
}
