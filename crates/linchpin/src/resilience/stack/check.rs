//! What makes no sense together.

use std::time::Duration;

use super::Role;
use super::parts::Parts;
use crate::resilience::BadOptions;
use crate::resilience::bad_options::YEAR;
use crate::resilience::breaker::Breaker;
use crate::resilience::bulkhead::Bulkhead;
use crate::resilience::limiter::Limiter;
use crate::resilience::timeout::Timeout;

/// Refuses a stack whose parts contradict each other.
pub(super) fn check<C>(parts: &Parts<C>, by_request: bool) -> Result<(), BadOptions> {
    let name = parts.name;
    let wrong = match parts.role {
        Role::Client => client(parts, by_request),
        Role::Server => server(parts),
    };
    match wrong.or_else(|| waits(parts)) {
        Some(why) => Err(BadOptions::new("Stack", format!("`{name}`: {why}"))),
        None => Ok(()),
    }
}

fn client<C>(parts: &Parts<C>, by_request: bool) -> Option<String> {
    let Parts { deadline, retry, hedge, breaker, timeout, .. } = parts;
    let limit = timeout.as_ref().map(Timeout::limit);
    if retry.is_some() && hedge.is_some() {
        return Some(
            "a hedge is a retry that does not wait; with a retry around it, attempts multiply; name \
             one"
                .into(),
        );
    }
    let marks = [
        ("retry", retry.as_ref().map(|retry| retry.is_idempotent)),
        ("hedge", hedge.as_ref().map(|hedge| hedge.is_idempotent)),
    ];
    if let Some((what, _)) = marks.iter().find(|(_, marked)| *marked == Some(false) && !by_request)
    {
        return Some(format!(
            "a {what} over calls that are not marked idempotent may do twice what must be done once; \
             say `idempotent()` in its options if that does no harm, `idempotent_by_request()` if \
             the requests of a layer tell, or leave the {what} out"
        ));
    }
    if let (Some(delay), Some(limit)) = (hedge.as_ref().and_then(|it| it.numbers().delay), limit)
        && delay >= limit
    {
        return Some(format!(
            "a hedge after {delay:?} is never sent: the attempt before it has {limit:?} (`timeout`)"
        ));
    }
    if let Some(retry) = retry {
        if retry.core.budget.is_unlimited() {
            tracing::warn!(
                stack = parts.name,
                "a retry without a budget multiplies the load of a callee that fails"
            );
        }
        let least = retry.core.options.min_attempt_time;
        if limit.is_some_and(|limit| least > limit) {
            return Some(format!(
                "an attempt needs {least:?} (`min_attempt_time`) and has {:?} (`timeout`)",
                limit.unwrap_or_default()
            ));
        }
    }
    if parts.shed.is_some() {
        return Some(
            "a shedder on a client: it spares who is called, by his own load; `throttle` spares \
             whom one calls"
                .into(),
        );
    }
    if parts.adaptive.is_some() && parts.bulkhead.is_some() {
        return Some(
            "an adaptive limit and a bulkhead both bound what is under way, and the smaller number \
             hides the other; name one"
                .into(),
        );
    }
    if let (Some(all), Some(one)) = (deadline, limit)
        && *all <= one
    {
        return Some(format!(
            "all attempts have {all:?} (`deadline`) and one has {one:?} (`timeout`), so the timeout \
             never fires; make the deadline longer, or leave one of them out"
        ));
    }
    if let (Some(window), Some(limit)) = (breaker.as_ref().and_then(Breaker::time_window), limit)
        && window < 2 * limit
    {
        return Some(format!(
            "calls that hang for {limit:?} (`timeout`) hardly meet in a breaker's window of \
             {window:?}; make the window at least twice as long"
        ));
    }
    None
}

fn server<C>(parts: &Parts<C>) -> Option<String> {
    let refused = [
        (parts.retry.is_some(), "a retry", "whoever calls retries, and not who is called"),
        (parts.hedge.is_some(), "a hedge", "whoever calls hedges, and not who is called"),
        (
            parts.breaker.is_some(),
            "a breaker",
            "it would judge one's own handler; limits and shedding keep a server well",
        ),
        (parts.throttle.is_some(), "a throttle", "it spares somebody whom one calls"),
        (
            parts.timeout.is_some(),
            "a timeout",
            "there are no attempts here; `deadline` is the limit on the time of a request",
        ),
    ];
    let (_, what, why) = refused.into_iter().find(|(is_there, ..)| *is_there)?;
    Some(format!("{what} on a server: {why}"))
}

/// No wait is longer than all is allowed to take.
fn waits<C>(parts: &Parts<C>) -> Option<String> {
    let all = parts.deadline?;
    if all.is_zero() || all > YEAR {
        return Some(format!("a deadline of {all:?}; say above zero and at most a year"));
    }
    let limiter = parts.limiter.as_ref().map_or(Duration::ZERO, Limiter::max_wait);
    let bulkhead = parts.bulkhead.as_ref().map_or(Duration::ZERO, Bulkhead::max_wait);
    [("limiter", limiter), ("bulkhead", bulkhead)].into_iter().find(|(_, wait)| *wait >= all).map(
        |(what, wait)| {
            format!(
                "calls may wait {wait:?} for the {what} and have {all:?} (`deadline`) in all; make \
                 its `max_wait` shorter"
            )
        },
    )
}
