//! `relay` with a fault that a drill must find. Never shipped.
//!
//! It answers before the commit. With `PLANTED_FAULT=forgotten-commits` in the environment it takes some commits that
//! succeeded for failed instead; with `PLANTED_FAULT=hasty-close` it ends as a server does that nobody has thought about.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::var("PLANTED_FAULT").as_deref() {
        Ok("forgotten-commits") => relay::store::plant_forgotten_commits(),
        Ok("hasty-close") => relay::serve::plant_hasty_close(),
        _ => relay::store::plant_early_answers(),
    }
    relay::cli::run()
}
