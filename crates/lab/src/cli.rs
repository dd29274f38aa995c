//! The command line.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use linchpin::error::ResultExt as _;
use linchpin::{Error, Kind, Result};

use crate::storm::{self, Plan, Variant};

/// Runs trade-offs, and draws them.
#[derive(Debug, Parser)]
#[command(name = "lab")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What there is.
    List,
    /// What an experiment asks, how it is set up, and how to read it.
    Explain {
        /// Its name.
        experiment: String,
    },
    /// Runs an experiment: a table, and a drawing.
    Run {
        /// Its name.
        experiment: String,
        #[command(flatten)]
        how: How,
    },
    /// Runs some variants of an experiment, the first of which the others are compared with.
    Compare {
        /// Its name.
        experiment: String,
        /// Names of variants, two at least.
        #[arg(required = true, num_args = 2..)]
        variants: Vec<String>,
        #[command(flatten)]
        how: How,
    },
}

#[derive(Debug, clap::Args)]
struct How {
    /// Where chance begins: the same seed gives the same figures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A tenth of the clients before a tenth of the service: a proof that everything still runs.
    #[arg(long)]
    short: bool,
    /// Where drawings go.
    #[arg(long, default_value = "target/lab")]
    out: PathBuf,
}

const EXPERIMENTS: [(&str, &str); 1] = [("storm", storm::TITLE)];

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {}", error.report());
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<()> {
    match command {
        Command::List => {
            for (name, title) in EXPERIMENTS {
                println!("{name:<10} {title}");
            }
            println!("\nvariants of storm:");
            for variant in storm::variants() {
                println!("  {:<10} {}", variant.name, variant.what);
            }
            Ok(())
        }
        Command::Explain { experiment } => {
            known(experiment)?;
            print!("{}", storm::EXPLAINED);
            Ok(())
        }
        Command::Run { experiment, how } => {
            known(experiment)?;
            perform(experiment, storm::variants(), how)
        }
        Command::Compare { experiment, variants, how } => {
            known(experiment)?;
            let chosen = variants.iter().map(|name| variant(name)).collect::<Result<_>>()?;
            perform(experiment, chosen, how)
        }
    }
}

fn perform(experiment: &str, variants: Vec<Variant>, how: &How) -> Result<()> {
    let plan = if how.short { Plan::short(how.seed) } else { Plan::whole(how.seed) };
    let reports: Vec<_> = variants
        .into_iter()
        .map(|variant| {
            eprintln!("running {}", variant.name);
            storm::run(&plan, &variant)
        })
        .collect::<Result<_>>()?;
    print!("{}", storm::table(&plan, &reports));
    let file = how.out.join(format!("{experiment}.svg"));
    fs::create_dir_all(&how.out).kind(Kind::Internal).context("make the folder for drawings")?;
    let drawing = storm::draw(&plan, &reports)?;
    fs::write(&file, drawing).kind(Kind::Internal).context("write the drawing")?;
    println!("\ndrawn in {}", file.display());
    Ok(())
}

fn known(experiment: &str) -> Result<()> {
    if EXPERIMENTS.iter().any(|(name, _)| *name == experiment) {
        return Ok(());
    }
    let names = EXPERIMENTS.map(|(name, _)| name).join(", ");
    Err(Error::new(
        Kind::InvalidArgument,
        format!("no experiment `{experiment}`; there are: {names}"),
    ))
}

fn variant(name: &str) -> Result<Variant> {
    let all = storm::variants();
    let names: Vec<_> = all.iter().map(|variant| variant.name).collect();
    let unknown = format!("no variant `{name}`; there are: {}", names.join(", "));
    let found = all.into_iter().find(|variant| variant.name == name);
    found.ok_or_else(|| Error::new(Kind::InvalidArgument, unknown))
}
