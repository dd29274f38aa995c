//! A stack as people read it.

use std::fmt;

use super::Role;
use super::parts::{Parts, Shown};

/// The parts, outermost first, a line each.
pub(super) fn show<C>(parts: &Parts<C>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (side, inner) = match parts.role {
        Role::Client => ("client", "callee"),
        Role::Server => ("server", "handler"),
    };
    write!(f, "{side} `{}`", parts.name)?;
    if let Some(deadline) = parts.deadline {
        write!(f, "\n  deadline   {deadline:?}")?;
    }
    for Shown { snapshot, words } in parts.each() {
        write!(f, "\n  {:<10} {words}", snapshot.policy)?;
        if snapshot.instance != parts.name {
            write!(f, " (shared, `{}`)", snapshot.instance)?;
        }
    }
    write!(f, "\n  {inner}")
}
