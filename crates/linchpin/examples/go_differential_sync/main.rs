//! The differential of what tasks share: random scripts, played by Go's own `x/sync/semaphore` and `x/sync/singleflight`
//! and by ours, must look the same.
//!
//! ```text
//! go_differential_sync --oracle PATH WHAT [--scripts 10000] [--seed S] [--planted FAULT]
//! ```
//!
//! Both sides run under virtual time, Go in a bubble of `testing/synctest`, we with tokio's clock paused. After every step
//! every caller is looked at: whether its work was called, whether it waits, and what it came to. A script that differs is
//! shrunk and shown in both views.
//!
//! `scripts/go-differential` builds the oracle and runs this, first with each planted fault, which must be found.
//! The last line states the figures. Exit code 0: no difference; 1: a difference; 2: the differential could not run.

#![forbid(unsafe_code)]

#[path = "../go_differential/go.rs"]
mod go;
mod ours;
mod script;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tokio::runtime::Runtime;

use self::go::Go;
use self::script::{Script, What};

/// Anything that keeps the differential from running, in words.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a world looks like after a step: a line for each caller.
type View = Vec<String>;

/// Plays random scripts on Go's primitives and on ours and compares.
#[derive(Debug, Parser)]
struct Args {
    /// The test binary built from crates/linchpin/tests/differential/shared.
    #[arg(long)]
    oracle: PathBuf,
    /// Of what.
    what: What,
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
    /// Waiters are passed by others that ask for less.
    Overtaking,
    /// A waiter that is cancelled takes a permit with it.
    LostPermit,
    /// Nothing is forgotten.
    ForgetNothing,
    /// A flight takes one more and then nobody.
    FewShare,
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
        let script = script::random(args.what, &mut rng);
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

impl Sides {
    fn compare(&mut self, script: &Script) -> Result<Option<Difference>, Failure> {
        let theirs: Vec<View> = self.go.play(script)?;
        let ours = self.runtime.block_on(ours::play(script, self.planted));
        if theirs.len() != ours.len() {
            return Err(format!("{} views of Go and {} of ours", theirs.len(), ours.len()).into());
        }
        let mut different =
            theirs.into_iter().zip(ours).enumerate().filter(|(_, (go, ours))| go != ours);
        Ok(different.next().map(|(step, (go, ours))| Difference { step, go, ours }))
    }

    fn show(&mut self, script: Script) -> Result<(), Failure> {
        let script = script.shrunk(|shorter| Ok::<_, Failure>(self.compare(shorter)?.is_some()))?;
        let difference = self.compare(&script)?.ok_or("the difference comes and goes")?;
        println!("the script:\n{script}after step {}:", difference.step + 1);
        for (go, ours) in difference.go.iter().zip(&difference.ours).filter(|(go, ours)| go != ours)
        {
            println!("  Go:   {go}\n  ours: {ours}");
        }
        Ok(())
    }
}
