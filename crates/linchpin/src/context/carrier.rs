//! Contexts across processes: to and from text headers, of HTTP, gRPC, a message or a job.
//!
//! | header | carries | as |
//! |---|---|---|
//! | `x-request-timeout-ms` | the deadline | milliseconds left, so that the clocks of two machines need not agree |
//! | `x-request-id` | [`RequestId`] | 1 to 128 visible ASCII characters |
//! | `traceparent`, `tracestate` | [`Trace`] | [W3C Trace Context](https://www.w3.org/TR/trace-context/) |
//! | `baggage` | [`Baggage`] | [W3C Baggage](https://www.w3.org/TR/baggage/), only keys that were chosen |
//! | `x-priority`, `x-priority-level` | [`Priority`], [`Level`] | its word, and a number from 0 to 99; [if it is wanted](Carrier::priority) |
//!
//! Cancellation does not travel: it reaches the other side as a closed connection, or as the deadline.
//!
//! ```
//! # use std::collections::BTreeMap;
//! # use std::time::Duration;
//! # use linchpin::Context;
//! # use linchpin::context::carrier::{Carrier, RequestId};
//! let carrier = Carrier::default().margin(Duration::from_millis(20));
//! let request = Context::root().with_timeout(Duration::from_secs(2));
//! let request = request.with_value("order-7".parse::<RequestId>().unwrap());
//!
//! let mut headers = BTreeMap::new();
//! carrier.inject(&request, |name, value| drop(headers.insert(name, value.to_owned())));
//!
//! let received = carrier.extract(&Context::root(), |name| headers.get(name).map(String::as_str));
//! assert_eq!(received.get::<RequestId>().unwrap().as_str(), "order-7");
//! assert!(received.remaining().unwrap() <= Duration::from_millis(1_980));
//! ```

use std::time::Duration;

mod baggage;
mod request_id;
mod trace;

pub use self::baggage::Baggage;
pub use self::request_id::{BadRequestId, RequestId};
pub use self::trace::{BadTrace, Trace};
use super::{Child, Context};
use crate::resilience::Priority;
use crate::resilience::shed::Level;

/// What crosses, and within which bounds. The default carries everything but baggage and
/// criticality.
#[derive(Clone, Debug, Default)]
pub struct Carrier {
    baggage: Vec<&'static str>,
    margin: Option<Duration>,
    longest: Option<Duration>,
    priority: bool,
}

/// The header of the deadline.
const TIMEOUT: &str = "x-request-timeout-ms";
const REQUEST_ID: &str = "x-request-id";
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
const BAGGAGE: &str = "baggage";
const PRIORITY: &str = "x-priority";
const LEVEL: &str = "x-priority-level";

impl Carrier {
    /// The keys of baggage that cross, in either direction; all others stay behind. Default: none.
    ///
    /// Baggage goes to everybody downstream: choose nothing that a third party must not read.
    #[must_use]
    pub fn baggage(mut self, keys: impl IntoIterator<Item = &'static str>) -> Self {
        self.baggage = keys.into_iter().collect();
        self
    }

    /// What is taken off the time left when it is sent: for the way there and back. Default: a fiftieth of it, and at least
    /// a millisecond.
    #[must_use]
    pub fn margin(mut self, margin: Duration) -> Self {
        self.margin = Some(margin);
        self
    }

    /// The most time that a caller can ask for. Default: no bound but the deadline of the receiving side.
    #[must_use]
    pub fn longest(mut self, timeout: Duration) -> Self {
        self.longest = Some(timeout);
        self
    }

    /// How critical the work is crosses, too. Default: it does not.
    ///
    /// For peers that were made sure of: who may say so of himself is always critical. And a third party need not read it.
    #[must_use]
    pub fn priority(mut self) -> Self {
        self.priority = true;
        self
    }

    /// Hands every header of `ctx` to `set`.
    pub fn inject(&self, ctx: &Context, mut set: impl FnMut(&'static str, &str)) {
        if let Some(left) = ctx.remaining() {
            let margin = self.margin.unwrap_or_else(|| (left / 50).max(Duration::from_millis(1)));
            set(TIMEOUT, &left.saturating_sub(margin).as_millis().to_string());
        }
        if let Some(id) = ctx.get::<RequestId>() {
            set(REQUEST_ID, id.as_str());
        }
        if let Some(trace) = ctx.get::<Trace>() {
            set(TRACEPARENT, trace.parent());
            if let Some(state) = trace.state() {
                set(TRACESTATE, state);
            }
        }
        if let Some(baggage) = ctx.get::<Baggage>().and_then(|all| all.header(&self.baggage)) {
            set(BAGGAGE, &baggage);
        }
        if let Some(priority) = ctx.get::<Priority>().filter(|_| self.priority) {
            set(PRIORITY, priority.as_str());
        }
        if let Some(level) = ctx.get::<Level>().filter(|_| self.priority) {
            set(LEVEL, &level.get().to_string());
        }
    }

    /// A child of `parent` with what `get` finds; a header that is not well formed counts as missing.
    ///
    /// The deadline is the earlier of the parent's and the one that came. Time is counted from now on: what the
    /// headers waited in a queue is not known here.
    pub fn extract<'h>(
        &self,
        parent: &Context,
        get: impl Fn(&'static str) -> Option<&'h str>,
    ) -> Child {
        let mut values = parent.clone();
        if let Some(id) = get(REQUEST_ID).and_then(|text| text.parse::<RequestId>().ok()) {
            values = values.with_value(id);
        }
        if let Some(trace) = get(TRACEPARENT).and_then(|text| text.parse::<Trace>().ok()) {
            values = values.with_value(match get(TRACESTATE) {
                Some(state) => trace.with_state(state),
                None => trace,
            });
        }
        if let Some(baggage) = get(BAGGAGE).and_then(|text| Baggage::read(text, &self.baggage)) {
            values = values.with_value(baggage);
        }
        let said = |name| get(name).filter(|_| self.priority);
        if let Some(priority) = said(PRIORITY).and_then(Priority::named) {
            values = values.with_value(priority);
        }
        if let Some(level) = said(LEVEL).and_then(|text| Level::new(text.parse().ok()?)) {
            values = values.with_value(level);
        }
        let asked = get(TIMEOUT).and_then(|text| text.parse().ok()).map(Duration::from_millis);
        match asked.into_iter().chain(self.longest).min() {
            Some(timeout) => values.with_timeout(timeout),
            None => values.child(),
        }
    }
}
