//! What the machine gives.

use linchpin_http::server;

use super::report::Report;
use crate::config::Config;
use crate::serve;

/// With fewer connections for clients, a backend with a pool of its own may have to wait.
const FEW: u64 = 500;

pub(super) fn check(report: &mut Report, config: &Config) {
    const ADVICE: &str =
        "raise the limit (`ulimit -Hn`, `LimitNOFILE=`), or lower `delivery-concurrency`";
    let files = match server::raise_open_files() {
        Ok(files) => files,
        Err(fault) => return report.warn("open files", fault, ADVICE),
    };
    let needed = serve::files_needed(config.delivery_concurrency);
    let found = match files {
        u64::MAX => "no limit".to_owned(),
        files => format!("{files} may be open, {needed} are needed"),
    };
    match files.checked_sub(needed) {
        None => report.fail("open files", format!("{found}: Relay does not start"), ADVICE),
        Some(..FEW) => report.warn("open files", found, ADVICE),
        Some(_) => report.ok("open files", found),
    }
}
