//! The differential: random scripts of operations, played by Go's own `context` and by ours, must look the same.
//!
//! ```text
//! go_differential --oracle PATH [--scripts 10000] [--seed S] [--planted FAULT]
//! ```
//!
//! Both sides run under virtual time, Go in a bubble of `testing/synctest`, we with tokio's clock paused. After every step
//! every node and every callback is looked at: whether and why it ended, whether its waiter was woken, its deadline, its
//! values, whether the callback ran, what `stop` returned. A script that differs is shrunk and shown in both views.
//!
//! `scripts/go-differential` builds the oracle and runs this, first with each planted fault, which must be found.
//! The last line states the figures. Exit code 0: no difference; 1: a difference; 2: the differential could not run.

#![forbid(unsafe_code)]

mod go;
mod ours;
mod random;
mod script;
mod view;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tokio::runtime::Runtime;

use self::go::Go;
use self::script::Script;
use self::view::{View, without_late_causes};

/// Anything that keeps the differential from running, in words.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Plays random scripts on Go's context and on ours and compares.
#[derive(Debug, Parser)]
struct Args {
    /// The test binary built from crates/linchpin/tests/differential.
    #[arg(long)]
    oracle: PathBuf,
    /// How many scripts to play.
    #[arg(long, default_value_t = 10_000)]
    scripts: u32,
    /// Repeats the scripts of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
    /// Makes our side wrong, to see that it is found out.
    #[arg(long)]
    planted: Option<Planted>,
}

/// What our side can be made to get wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Planted {
    /// A node that has ended takes the cause of the next `cancel`.
    SecondCause,
    /// A deadline is the node's own, although its parent's is earlier.
    LateDeadline,
    /// `stop` says that it prevented the callback, whether or not it did.
    StopLies,
    /// A detached node has no values.
    LostValue,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("go-differential: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Whether both sides agree.
fn run(args: &Args) -> Result<bool, Failure> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let mut sides = Sides { runtime, go: Go::start(&args.oracle)?, planted: args.planted };

    let mut rng = fastrand::Rng::with_seed(seed);
    for number in 1..=args.scripts {
        let script = random::script(&mut rng);
        if sides.compare(&script)?.is_some() {
            sides.show(script)?;
            println!("go-differential: a difference in script {number}, seed {seed}");
            return Ok(false);
        }
    }
    println!("go-differential: {} scripts, 0 differences, seed {seed}", args.scripts);
    Ok(true)
}

struct Sides {
    runtime: Runtime,
    go: Go,
    planted: Option<Planted>,
}

/// The first step after which the two sides differ, and what they were like then.
struct Difference {
    step: usize,
    go: View,
    ours: View,
}

// ===== impl Sides =====

impl Sides {
    fn compare(&mut self, script: &Script) -> Result<Option<Difference>, Failure> {
        let theirs: Vec<View> = self.go.play(&script.steps)?;
        let ours = self.runtime.block_on(ours::play(script, self.planted));
        if theirs.len() != ours.len() {
            return Err(format!("{} views of Go and {} of ours", theirs.len(), ours.len()).into());
        }
        let pairs = theirs.into_iter().map(without_late_causes).zip(ours).enumerate();
        let mut different = pairs.filter(|(_, (go, ours))| go != ours);
        Ok(different.next().map(|(step, (go, ours))| Difference { step, go, ours }))
    }

    fn show(&mut self, script: Script) -> Result<(), Failure> {
        let script = script.shrunk(|shorter| Ok::<_, Failure>(self.compare(shorter)?.is_some()))?;
        let difference = self.compare(&script)?.ok_or("the difference comes and goes")?;
        println!("the script ({:?}):\n{script}", script.kind);
        println!("after step {}:\n{difference}", difference.step + 1);
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.go.nodes.iter().zip(&self.ours.nodes).enumerate();
        for (at, (go, ours)) in nodes.filter(|(_, (go, ours))| go != ours) {
            write!(f, "n{at}\n  Go:   {go}\n  ours: {ours}\n")?;
        }
        let callbacks = self.go.callbacks.iter().zip(&self.ours.callbacks).enumerate();
        for (at, (go, ours)) in callbacks.filter(|(_, (go, ours))| go != ours) {
            write!(f, "callback {at}\n  Go:   {go}\n  ours: {ours}\n")?;
        }
        Ok(())
    }
}
