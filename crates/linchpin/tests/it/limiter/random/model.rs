//! The rules of limiters, as plainly as can be: everything that was granted is kept, and all is reckoned anew each time.
//!
//! GCRA is a bucket of tokens here, and the time of a turn in a window is searched for nanosecond by nanosecond.

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Fixed,
    Gcra { burst: u32 },
    Leaky { queue: u32 },
    Log,
    Sliding,
}

pub(super) struct Model {
    kind: Kind,
    count: u32,
    interval: u64,
    happened: Vec<Event>,
    next: usize,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Penalty { now: u64, until: u64 },
    Turn { id: usize, now: u64, at: u64, cost: u32 },
}

impl Model {
    pub(super) fn new(kind: Kind, count: u32, interval: u64) -> Self {
        Self { kind, count, interval, happened: Vec::new(), next: 0 }
    }

    fn limit(&self) -> u32 {
        match self.kind {
            Kind::Gcra { burst } => burst,
            Kind::Leaky { queue } => queue + 1,
            _ => self.count,
        }
    }

    fn window(&self) -> u64 {
        u64::from(self.count) * self.interval
    }

    /// The number and time of a turn, or how long to wait.
    pub(super) fn reserve(
        &mut self,
        now: u64,
        cost: u32,
        max_wait: u64,
    ) -> Result<(usize, u64), Option<u64>> {
        if cost == 0 {
            return Ok((usize::MAX, now));
        }
        if cost > self.limit() {
            return Err(None);
        }
        let at = self.turn(now, cost);
        let wait = at - now;
        if wait > max_wait {
            return Err(Some(wait));
        }
        if let Kind::Leaky { queue } = self.kind
            && wait > u64::from(queue) * self.interval
        {
            return Err(Some(wait - u64::from(queue) * self.interval));
        }
        let id = self.next;
        self.next += 1;
        self.happened.push(Event::Turn { id, now, at, cost });
        Ok((id, at))
    }

    pub(super) fn cancel(&mut self, id: usize, now: u64) -> bool {
        let comes_back = matches!(
            self.happened.last(),
            Some(Event::Turn { id: newest, at, .. }) if *newest == id && now < *at
        );
        if comes_back {
            self.happened.pop();
        }
        comes_back
    }

    pub(super) fn penalize(&mut self, now: u64, until: u64) {
        self.happened.push(Event::Penalty { now, until });
    }

    pub(super) fn remaining(&self, now: u64) -> u32 {
        match self.kind {
            Kind::Gcra { .. } => (self.tokens(now).max(0) as u64 / self.interval) as u32,
            Kind::Leaky { queue } => {
                let places = u64::from(queue + 1) * self.interval;
                let ahead = self.free_at().saturating_sub(now);
                (places.saturating_sub(ahead) / self.interval) as u32
            }
            _ if self.floor() > now => 0,
            _ => self.limit() - self.used(now),
        }
    }

    fn turn(&self, now: u64, cost: u32) -> u64 {
        match self.kind {
            Kind::Gcra { .. } => {
                let missing = i64::from(cost) * self.interval as i64 - self.tokens(now);
                now + missing.max(0) as u64
            }
            Kind::Leaky { .. } => now.max(self.free_at()),
            _ => {
                let fits = |at: &u64| self.used(*at) + cost <= self.limit();
                let from = now.max(self.floor());
                (from..=from + 2 * self.window()).find(fits).expect("two windows on all is free")
            }
        }
    }

    /// What is in the bucket, an interval for each token; below zero for those who wait.
    fn tokens(&self, now: u64) -> i64 {
        let full = (u64::from(self.limit()) * self.interval) as i64;
        let (mut tokens, mut last) = (full, 0);
        let mut refill = |tokens: i64, at: u64| {
            let more = (tokens + (at - last) as i64).min(full);
            last = at;
            more
        };
        for event in &self.happened {
            match *event {
                Event::Turn { now, cost, .. } => {
                    tokens = refill(tokens, now) - i64::from(cost) * self.interval as i64;
                }
                Event::Penalty { now, until } => {
                    let one = self.interval as i64 - (until - now) as i64;
                    tokens = refill(tokens, now).min(one);
                }
            }
        }
        refill(tokens, now)
    }

    /// When a leaky bucket is free.
    fn free_at(&self) -> u64 {
        self.happened.iter().fold(0, |free, event| match *event {
            Event::Turn { at, cost, .. } => at + u64::from(cost) * self.interval,
            Event::Penalty { until, .. } => free.max(until),
        })
    }

    /// Nobody's turn in a window is before.
    fn floor(&self) -> u64 {
        let at = |event: &Event| match *event {
            Event::Turn { at, .. } => at,
            Event::Penalty { until, .. } => until,
        };
        self.happened.iter().map(at).max().unwrap_or(0)
    }

    fn sum(&self, which: impl Fn(u64) -> bool) -> u32 {
        let cost = |event: &Event| match *event {
            Event::Turn { at, cost, .. } if which(at) => cost,
            _ => 0,
        };
        self.happened.iter().map(cost).sum()
    }

    fn used(&self, now: u64) -> u32 {
        let window = self.window();
        let index = now / window;
        let here = |at: u64| at / window == index;
        match self.kind {
            Kind::Fixed => self.sum(here),
            Kind::Sliding => {
                let last = u64::from(self.sum(|at| at / window + 1 == index));
                let left = window - now % window;
                (last * left / window) as u32 + self.sum(here)
            }
            _ => self.sum(|at| at + window > now),
        }
    }
}
