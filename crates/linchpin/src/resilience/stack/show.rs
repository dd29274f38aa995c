//! A stack as people read it.

use std::fmt;

use super::Role;
use super::parts::Parts;

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
    let words = [
        parts.retry.as_ref().map(|it| ("retry", it.to_string(), it.name())),
        parts.breaker.as_ref().map(|it| ("breaker", it.to_string(), it.name())),
        parts.limiter.as_ref().map(|it| ("limiter", it.to_string(), it.name())),
        parts.bulkhead.as_ref().map(|it| ("bulkhead", it.to_string(), it.name())),
        parts.timeout.as_ref().map(|it| ("timeout", it.to_string(), it.name())),
    ];
    for (policy, words, name) in words.into_iter().flatten() {
        write!(f, "\n  {policy:<10} {words}")?;
        if name != parts.name {
            write!(f, " (shared, `{name}`)")?;
        }
    }
    write!(f, "\n  {inner}")
}
