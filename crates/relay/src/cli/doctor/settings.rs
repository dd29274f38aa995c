//! Settings that are valid and not safe.

use std::net::{IpAddr, Ipv4Addr};

use super::report::Report;
use crate::config::{Config, Mode};

/// Where clouds hand out the credentials of a machine to whoever asks from it.
const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(super) fn check(report: &mut Report, config: &Config) {
    report.ok(
        "settings",
        match config.mode {
            Mode::Development => {
                "valid; development mode, for this machine alone: everybody knows its secret"
            }
            Mode::Production => "valid; production mode",
        },
    );
    addresses(report, config);
    if config.mode == Mode::Production && !config.admin_listen.ip().is_loopback() {
        report.warn(
            "admin-listen",
            format!(
                "operators are not asked who they are, and {} may be reached from elsewhere",
                config.admin_listen
            ),
            "set it to a loopback address, or let nobody but operators reach it",
        );
    }
    if config.log_level.contains("debug") || config.log_level.contains("trace") {
        report.warn(
            "log-level",
            format!("`{}` writes lines for each delivery", config.log_level),
            "set it to info when you have seen what you look for",
        );
    }
}

fn addresses(report: &mut Report, config: &Config) {
    if config.addresses.judge(METADATA).is_ok() {
        report.fail(
            "allowed-subnets",
            format!("deliveries may go to {METADATA}, where clouds hand out credentials"),
            "leave 169.254.0.0/16 and what holds it out",
        );
    }
    if config.mode == Mode::Production && config.addresses.judge(LOOPBACK).is_ok() {
        report.warn(
            "allowed-subnets",
            "deliveries may go to this machine itself, and to Relay's own operators' listener",
            "leave 127.0.0.0/8 and what holds it out",
        );
    }
}
