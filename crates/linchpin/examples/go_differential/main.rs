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

mod drive;
mod go;
mod ours;
mod random;
mod script;
mod view;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use self::drive::{Course, Failure, drive};
use self::go::Go;
use self::script::Script;
use self::view::{View, without_late_causes};

/// Plays random scripts on Go's context and on ours and compares.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    course: Course<Planted>,
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
    drive(&Args::parse().course, random::script)
}

impl drive::Script for Script {
    type Planted = Planted;
    type View = View;

    fn steps(&self) -> usize {
        self.steps.len()
    }

    fn without(&self, step: usize) -> Self {
        self.without(step)
    }

    fn by_go(&self, go: &mut Go) -> Result<Vec<View>, Failure> {
        Ok(go.play(&self.steps)?.into_iter().map(without_late_causes).collect())
    }

    async fn by_us(&self, planted: Option<Planted>) -> Vec<View> {
        ours::play(self, planted).await
    }

    fn show(&self, step: usize, go: &View, ours: &View) {
        println!("the script ({:?}):\n{self}", self.kind);
        println!("after step {step}:");
        for (at, (go, ours)) in go.nodes.iter().zip(&ours.nodes).enumerate() {
            if go != ours {
                println!("n{at}\n  Go:   {go}\n  ours: {ours}");
            }
        }
        for (at, (go, ours)) in go.callbacks.iter().zip(&ours.callbacks).enumerate() {
            if go != ours {
                println!("callback {at}\n  Go:   {go}\n  ours: {ours}");
            }
        }
    }
}
