//! `relay` with a fault that a drill must find. Never shipped.
//!
//! It answers before the commit; with `PLANTED_FAULT=forgotten-commits` in the environment it takes some commits that
//! succeeded for failed instead.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::var_os("PLANTED_FAULT").is_some_and(|fault| fault == "forgotten-commits") {
        relay::store::plant_forgotten_commits();
    } else {
        relay::store::plant_early_answers();
    }
    relay::cli::run()
}
