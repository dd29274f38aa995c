//! `relay` with a fault that a drill must find. Never shipped.
//!
//! It answers before the commit, or does what `PLANTED_FAULT` in the environment says instead: with `forgotten-commits` it takes
//! some commits that succeeded for failed, with `swallowed-syncs` those whose sync failed for succeeded; with `loose-fence` it
//! records attempts by the number of a row alone, with `unbound-pairs` key pairs sign messages without their ids, with
//! `hasty-sweep` old messages are removed before they are delivered; with `hasty-close` it ends as a server does that nobody
//! has thought about.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::var("PLANTED_FAULT").as_deref() {
        Ok("forgotten-commits") => relay::store::plant_forgotten_commits(),
        Ok("swallowed-syncs") => relay::store::plant_swallowed_syncs(),
        Ok("loose-fence") => relay::deliver::plant_loose_fence(),
        Ok("unbound-pairs") => relay::vault::plant_unbound_pairs(),
        Ok("hasty-sweep") => relay::store::plant_hasty_sweep(),
        Ok("hasty-close") => relay::serve::plant_hasty_close(),
        _ => relay::store::plant_early_answers(),
    }
    relay::cli::run()
}
