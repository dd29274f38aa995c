//! `relay` with a fault that the kill drill must find: it answers before the commit. Never shipped.

use std::process::ExitCode;

fn main() -> ExitCode {
    relay::store::plant_early_answers();
    relay::cli::run()
}
