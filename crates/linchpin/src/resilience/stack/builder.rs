//! A stack in the making.

use std::sync::Arc;
use std::time::Duration;

use super::parts::Parts;
use super::{Role, Stack, check};
use crate::resilience::adaptive::{self, Adaptive};
use crate::resilience::breaker::{self, Breaker};
use crate::resilience::bulkhead::{self, Bulkhead};
use crate::resilience::hedge::{self, Hedge};
use crate::resilience::limiter::{self, Limiter, Rate};
use crate::resilience::retry::{self, Retry};
use crate::resilience::shed::{self, Shedder};
use crate::resilience::throttle::{self, Throttle};
use crate::resilience::timeout::Timeout;
use crate::resilience::{BadOptions, ByFailed, ByResult};

/// A [`Stack`] in the making: [`Stack::client`], [`Stack::server`].
///
/// Name the parts in any order, each at most once. A part is a policy, which others may share, or what makes one that has
/// the stack's name.
#[derive(Debug)]
#[must_use = "a stack in the making does nothing until it is built"]
pub struct Builder {
    parts: Parts<ByResult>,
    /// Requests tell whether they are idempotent.
    by_request: bool,
    /// The first thing that was wrong.
    wrong: Option<BadOptions>,
}

/// What a part of a stack is made of: the policy itself, or its options.
pub trait Part<P> {
    /// The policy; `stack` is its name if it has none yet.
    ///
    /// # Errors
    ///
    /// If the options do not fit together.
    fn part(self, stack: &'static str) -> Result<P, BadOptions>;
}

impl Builder {
    pub(super) fn new(name: &'static str, role: Role) -> Self {
        let parts = Parts {
            name,
            role,
            deadline: None,
            retry: None,
            hedge: None,
            throttle: None,
            breaker: None,
            shed: None,
            limiter: None,
            adaptive: None,
            bulkhead: None,
            timeout: None,
            classify: ByFailed(ByResult),
        };
        Self { parts, by_request: false, wrong: None }
    }

    /// When all must be over: attempts, the rests between them, and all waits. Default: when the context says.
    pub fn deadline(mut self, limit: Duration) -> Self {
        let before = self.parts.deadline.replace(limit);
        self.once("deadline", before.is_some());
        self
    }

    /// Makes a call again that failed: a [`Retry`], or [`retry::Options`].
    pub fn retry(mut self, retry: impl Part<Retry>) -> Self {
        self.set("retry", retry, |parts| &mut parts.retry);
        self
    }

    /// Sends a second attempt when the first takes long: a [`Hedge`], or [`hedge::Options`]. It stands where a retry would.
    pub fn hedge(mut self, hedge: impl Part<Hedge>) -> Self {
        self.set("hedge", hedge, |parts| &mut parts.hedge);
        self
    }

    /// Sends less to a callee that takes less on: a [`Throttle`], or [`throttle::Options`].
    pub fn throttle(mut self, throttle: impl Part<Throttle>) -> Self {
        self.set("throttle", throttle, |parts| &mut parts.throttle);
        self
    }

    /// Stops asking who is not well: a [`Breaker`], or [`breaker::Options`].
    pub fn breaker(mut self, breaker: impl Part<Breaker>) -> Self {
        self.set("breaker", breaker, |parts| &mut parts.breaker);
        self
    }

    /// Refuses early what a server cannot serve, the least important first: a [`Shedder`], or [`shed::Options`].
    ///
    /// It reads the context of a call: its [`Priority`](crate::resilience::Priority), its [`Level`](shed::Level), and its
    /// deadline, which a layer has of its [`Replay`](crate::resilience::retry::Replay). The stack's own deadline is the
    /// same for all, and none of its business.
    pub fn shed(mut self, shed: impl Part<Shedder>) -> Self {
        self.set("shed", shed, |parts| &mut parts.shed);
        self
    }

    /// Lets so many begin in some time: a [`Limiter`], a [`Rate`], or a rate and [`limiter::Options`].
    pub fn limiter(mut self, limiter: impl Part<Limiter>) -> Self {
        self.set("limiter", limiter, |parts| &mut parts.limiter);
        self
    }

    /// Lets as many run at once as it finds to be well: an [`Adaptive`], or [`adaptive::Options`].
    pub fn adaptive(mut self, adaptive: impl Part<Adaptive>) -> Self {
        self.set("adaptive", adaptive, |parts| &mut parts.adaptive);
        self
    }

    /// Lets so many run at once: a [`Bulkhead`], a number, or a number and [`bulkhead::Options`].
    pub fn bulkhead(mut self, bulkhead: impl Part<Bulkhead>) -> Self {
        self.set("bulkhead", bulkhead, |parts| &mut parts.bulkhead);
        self
    }

    /// Stops waiting for one attempt: a [`Timeout`], or a duration.
    pub fn timeout(mut self, timeout: impl Part<Timeout>) -> Self {
        self.set("timeout", timeout, |parts| &mut parts.timeout);
        self
    }

    /// Lets a retry or a hedge stand over calls that are not marked idempotent, for a layer whose
    /// [`Replay`](crate::resilience::retry::Replay) tells it of each request. Others are tried again only after failures
    /// that prove that nothing was done.
    pub fn idempotent_by_request(mut self) -> Self {
        self.by_request = true;
        self
    }

    /// The stack.
    ///
    /// # Errors
    ///
    /// If a part is named twice, its options are wrong, or parts make no sense together; the error says which, why, and
    /// what would be right.
    pub fn build(self) -> Result<Stack, BadOptions> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        check::check(&self.parts, self.by_request)?;
        Ok(Stack { parts: Arc::new(self.parts) })
    }

    fn set<P>(
        &mut self,
        what: &'static str,
        part: impl Part<P>,
        place: fn(&mut Parts<ByResult>) -> &mut Option<P>,
    ) {
        match part.part(self.parts.name) {
            Ok(part) => {
                let before = place(&mut self.parts).replace(part);
                self.once(what, before.is_some());
            }
            Err(bad) => {
                self.wrong.get_or_insert(bad);
            }
        }
    }

    fn once(&mut self, what: &'static str, twice: bool) {
        if twice {
            let why = format!("`{}` has `{what}` twice; name it once", self.parts.name);
            self.wrong.get_or_insert(BadOptions::new("Stack", why));
        }
    }
}

/// A part that is the policy itself, whatever reads its results elsewhere, or the options that make one.
macro_rules! by_options {
    ($($policy:ident, $options:ty;)*) => {$(
        impl<C> Part<$policy> for $policy<C> {
            fn part(self, _: &'static str) -> Result<$policy, BadOptions> {
                Ok(self.classified(ByResult))
            }
        }

        impl Part<$policy> for $options {
            fn part(self, stack: &'static str) -> Result<$policy, BadOptions> {
                $policy::new(stack, self)
            }
        }
    )*};
}

by_options! {
    Retry, retry::Options;
    Hedge, hedge::Options;
    Throttle, throttle::Options;
    Breaker, breaker::Options;
    Shedder, shed::Options;
    Adaptive, adaptive::Options;
}

impl Part<Limiter> for Limiter {
    fn part(self, _: &'static str) -> Result<Limiter, BadOptions> {
        Ok(self)
    }
}

impl Part<Limiter> for Rate {
    fn part(self, stack: &'static str) -> Result<Limiter, BadOptions> {
        Limiter::new(stack, self, limiter::Options::default())
    }
}

impl Part<Limiter> for (Rate, limiter::Options) {
    fn part(self, stack: &'static str) -> Result<Limiter, BadOptions> {
        Limiter::new(stack, self.0, self.1)
    }
}

impl Part<Bulkhead> for Bulkhead {
    fn part(self, _: &'static str) -> Result<Bulkhead, BadOptions> {
        Ok(self)
    }
}

impl Part<Bulkhead> for usize {
    fn part(self, stack: &'static str) -> Result<Bulkhead, BadOptions> {
        Bulkhead::new(stack, self, bulkhead::Options::default())
    }
}

impl Part<Bulkhead> for (usize, bulkhead::Options) {
    fn part(self, stack: &'static str) -> Result<Bulkhead, BadOptions> {
        Bulkhead::new(stack, self.0, self.1)
    }
}

impl Part<Timeout> for Timeout {
    fn part(self, _: &'static str) -> Result<Timeout, BadOptions> {
        Ok(self)
    }
}

impl Part<Timeout> for Duration {
    fn part(self, stack: &'static str) -> Result<Timeout, BadOptions> {
        Timeout::new(stack, self)
    }
}
