//! The Relay that has the database open, or the ports that one would listen on.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use clap::ArgMatches;
use linchpin::context::Context;

use super::super::{settings, status};
use super::files::beside;
use super::report::Report;
use crate::admin::{Component, Condition};
use crate::config::Config;

/// How long the one that runs may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn check(
    ctx: &Context,
    report: &mut Report,
    config: &Config,
    matches: &ArgMatches,
) {
    let Some(process) = who_has(&config.database) else {
        ports(report, config);
        return;
    };
    let asked = async {
        let api = settings::operators(None, matches)?;
        status::ask(&ctx.with_timeout(PATIENCE), &api).await
    };
    match asked.await {
        Ok((_, components)) => tell(report, &process, &components),
        Err(failure) => report.fail(
            "relay",
            format!("{process} has the database open, and does not answer: {failure}"),
            "say in RELAY_ADMIN_URL where its operators' listener is; if it answers nowhere, look into its log and start it again",
        ),
    }
}

/// What holds the lock of the database, if anybody does. It is let go at once where nobody did.
fn who_has(database: &Path) -> Option<String> {
    let path = beside(database, "-lock");
    let lock = File::open(&path).ok()?;
    let Err(TryLockError::WouldBlock) = lock.try_lock_shared() else { return None };
    let process = fs::read_to_string(&path).unwrap_or_default();
    Some(format!("process {}", process.trim()))
}

/// Tells what the one that runs says of itself.
fn tell(report: &mut Report, process: &str, components: &[Component]) {
    const ADVICE: &str = "`relay status` shows all of it, and its log says why";
    let mut all_well = true;
    for Component { name, state, about } in components {
        let found = format!("{name}: {about}");
        match state {
            Condition::Ok => continue,
            Condition::Warn => report.warn("relay", found, ADVICE),
            Condition::Fail => report.fail("relay", found, ADVICE),
        }
        all_well = false;
    }
    if all_well {
        report.ok("relay", format!("{process} runs, and all its parts are well"));
    }
}

fn ports(report: &mut Report, config: &Config) {
    let mut all_free = true;
    for (setting, address) in [("listen", config.listen), ("admin-listen", config.admin_listen)] {
        if let Err(fault) = TcpListener::bind(address) {
            all_free = false;
            taken(report, setting, address, &fault);
        }
    }
    if all_free {
        report.ok("relay", "none has this database open; its ports are free");
    }
}

fn taken(report: &mut Report, setting: &'static str, address: SocketAddr, fault: &std::io::Error) {
    let advice = match fault.kind() {
        ErrorKind::AddrInUse => "end the other program that listens there, or set another port",
        ErrorKind::PermissionDenied => "set a port from 1024 on, or let Relay's user bind it",
        _ => "set an address that this machine has",
    };
    report.fail(setting, format!("{address}: {fault}"), advice);
}
