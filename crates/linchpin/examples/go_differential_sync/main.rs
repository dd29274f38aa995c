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

#[path = "../go_differential/drive.rs"]
mod drive;
#[path = "../go_differential/go.rs"]
mod go;
mod ours;
mod script;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use self::drive::{Course, Failure, drive};
use self::go::Go;
use self::script::{Script, What};

/// What a world looks like after a step: a line for each caller.
type View = Vec<String>;

/// Plays random scripts on Go's primitives and on ours and compares.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    course: Course<Planted>,
    /// Of what.
    what: What,
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
    let Args { course, what } = Args::parse();
    drive(&course, |rng| script::random(what, rng))
}

impl drive::Script for Script {
    type Planted = Planted;
    type View = View;

    fn steps(&self) -> usize {
        self.steps.len()
    }

    fn without(&self, step: usize) -> Self {
        let mut shorter = self.clone();
        shorter.steps.remove(step);
        shorter
    }

    fn by_go(&self, go: &mut Go) -> Result<Vec<View>, Failure> {
        go.play(self)
    }

    async fn by_us(&self, planted: Option<Planted>) -> Vec<View> {
        ours::play(self, planted).await
    }

    fn show(&self, step: usize, go: &View, ours: &View) {
        println!("the script:\n{self}after step {step}:");
        for (go, ours) in go.iter().zip(ours).filter(|(go, ours)| go != ours) {
            println!("  Go:   {go}\n  ours: {ours}");
        }
    }
}
