//! The life of a service: running, draining, stopping, done.
//!
//! ```text
//!            signal            pre_drain           idle, or drain          hard_stop
//!  running ────────▶ not ready ─────────▶ draining ──────────▶ stopping ──────────▶ aborted
//!                    accepts still        no new work          hooks, in reverse
//! ```
//!
//! Three contexts tell components where they stand: [`accepting`](Lifecycle::accepting) ends when no new work may be
//! taken, [`work`](Lifecycle::work) when work under way must end, [`hard`](Lifecycle::hard) when it is aborted. Work
//! under way holds a [`Guard`]. A second signal skips what is left.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use linchpin::context::{Cause, Child, Context, Ended};
use linchpin::error::{ResultExt as _, catch_async};
use linchpin::sync::Mutex;
use linchpin::sync::event::{UnderWay, WaitGroup};
use linchpin::sync::select::{self, Two};
use linchpin::task::{self, Task};
use linchpin::time::Instant;
use linchpin::{Error, Kind};
use tokio::signal::unix::{SignalKind, signal};

use crate::notify::Notifier;

/// How long a hook may take.
const HOOK: Duration = Duration::from_secs(5);

/// A handle to the life of the service. Clones share it.
#[derive(Clone)]
pub struct Lifecycle {
    shared: Arc<Shared>,
}

/// How long each phase may take, counted from the signal.
#[derive(Clone, Debug)]
pub struct Options {
    pre_drain: Duration,
    drain: Duration,
    hard_stop: Duration,
    notify: Option<Notifier>,
}

/// Work under way. The drain waits until every guard is dropped.
#[must_use = "dropping the guard says that the work is done"]
pub struct Guard {
    _under_way: UnderWay,
}

/// How a service ended. `Display` is one line for people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Why it was shut down.
    pub cause: Cause,
    /// From the signal to the end.
    pub took: Duration,
    /// What was under way when the signal came. A server's connections count, idle ones too.
    pub in_flight: usize,
    /// What was still under way at the hard stop, and hooks that panicked or did not end in time.
    pub aborted: usize,
    /// Whether a second signal cut it short.
    pub forced: bool,
    /// What each hook said, in the order in which they ran.
    pub hooks: Vec<(&'static str, String)>,
}

type Hook = Box<dyn FnOnce(Context) -> Pin<Box<dyn Future<Output = String> + Send>> + Send>;

struct Shared {
    options: Options,
    ready: AtomicBool,
    running: Child,
    unforced: Child,
    accepting: Child,
    work: Child,
    hard: Child,
    in_flight: WaitGroup,
    hooks: Mutex<Vec<(&'static str, Hook)>>,
}

// ===== impl Lifecycle =====

impl Lifecycle {
    /// A service that is starting: not ready yet.
    ///
    /// # Errors
    ///
    /// Unless `pre_drain <= drain <= hard_stop`.
    pub fn new(options: Options) -> linchpin::Result<Self> {
        let Options { pre_drain, drain, hard_stop, .. } = options;
        if !(pre_drain <= drain && drain <= hard_stop) {
            let why = format!(
                "the phases must follow each other: pre_drain {pre_drain:?}, drain {drain:?}, hard_stop {hard_stop:?}"
            );
            return Err(Error::new(Kind::InvalidArgument, why).context("bad options for Lifecycle"));
        }
        let root = Context::root();
        let shared = Shared {
            options,
            ready: AtomicBool::new(false),
            running: root.child(),
            unforced: root.child(),
            accepting: root.child(),
            work: root.child(),
            hard: root.child(),
            in_flight: WaitGroup::new(),
            hooks: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Says that the service is ready, to a service manager too.
    pub fn ready(&self) {
        self.shared.ready.store(true, Ordering::Release);
        if let Some(notify) = &self.shared.options.notify {
            notify.tell("READY=1");
        }
    }

    /// Whether traffic should be sent here: ready, and no signal yet.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Acquire) && !self.shared.running.is_cancelled()
    }

    /// Begins the shutdown. The first cause stays.
    pub fn shutdown(&self, cause: impl Into<Cause>) {
        self.shared.running.cancel(cause);
    }

    /// Begins the shutdown if it has not begun, and skips every wait of it.
    pub fn force(&self) {
        self.shutdown("forced");
        self.shared.unforced.cancel("forced");
    }

    /// Ends when no new work may be taken: connections, claims.
    #[must_use]
    pub fn accepting(&self) -> &Context {
        &self.shared.accepting
    }

    /// Ends when work under way must come to its end. Handlers and jobs run under it.
    #[must_use]
    pub fn work(&self) -> &Context {
        &self.shared.work
    }

    /// Ends when what is left is aborted.
    #[must_use]
    pub fn hard(&self) -> &Context {
        &self.shared.hard
    }

    /// Counts something as under way.
    pub fn guard(&self) -> Guard {
        Guard { _under_way: self.shared.in_flight.begin() }
    }

    /// How much is under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.len()
    }

    /// Has `hook` run when nothing is under way any more, at the latest at the drain deadline; the last registered
    /// first, each for at most five seconds. What it returns stands in the report.
    pub fn on_stop<F, Fut>(&self, name: &'static str, hook: F)
    where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = String> + Send + 'static,
    {
        let hook: Hook = Box::new(move |ctx| Box::pin(hook(ctx)));
        self.shared.hooks.lock().push((name, hook));
    }

    /// A task that shuts down at the first SIGTERM or SIGINT and forces at the second, while it is kept.
    ///
    /// # Errors
    ///
    /// If the system takes no signal handler.
    pub fn signals(&self) -> linchpin::Result<Task<()>> {
        let listen = |kind| signal(kind).kind(Kind::Internal).context("listen for signals");
        let (mut terminate, mut interrupt) =
            (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        let life = self.clone();
        Ok(task::spawn("signals", async move {
            loop {
                let signals = (terminate.recv(), interrupt.recv());
                let name = match select::fair(life.hard(), signals).await {
                    Ok(Two::First(_)) => "SIGTERM",
                    Ok(Two::Second(_)) => "SIGINT",
                    // Nothing is left that a signal could change.
                    Err(_) => return,
                };
                if life.shared.running.is_cancelled() {
                    tracing::warn!(signal = name, "second signal: stopping at once");
                    life.force();
                    return;
                }
                tracing::info!(signal = name, in_flight = life.in_flight(), "shutting down");
                life.shutdown(name);
            }
        }))
    }

    /// Waits for the shutdown and leads it through its phases; whoever runs the service awaits this once.
    ///
    /// # Cancel safety
    ///
    /// Not safe: dropped half-way, later phases never come.
    pub async fn finished(&self) -> Report {
        let Shared { options, running, unforced, accepting, work, hard, .. } = &*self.shared;
        let cause = running.cancelled().await;
        let (began, in_flight) = (Instant::now(), self.in_flight());
        if let Some(notify) = &options.notify {
            let longest = options.hard_stop + HOOK;
            notify.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", longest.as_micros()));
        }
        let drain = unforced.with_deadline(began + options.drain);
        let stop = unforced.with_deadline(began + options.hard_stop);

        // An early end of a phase is what a second signal is for.
        drop(unforced.sleep(options.pre_drain).await);
        accepting.cancel(Cause::Shutdown);
        drop(self.shared.in_flight.wait(&drain).await);
        work.cancel(Cause::Shutdown);
        let (hooks, late) = self.run_hooks(&stop).await;
        drop(self.shared.in_flight.wait(&stop).await);
        let aborted = self.in_flight() + late;
        hard.cancel(Cause::Shutdown);
        let forced = unforced.is_cancelled();
        Report { cause, took: began.elapsed(), in_flight, aborted, forced, hooks }
    }

    async fn run_hooks(&self, stop: &Context) -> (Vec<(&'static str, String)>, usize) {
        let (mut said, mut late) = (Vec::new(), 0);
        loop {
            let next = self.shared.hooks.lock().pop();
            let Some((name, hook)) = next else { return (said, late) };
            let bounded = stop.with_timeout(HOOK);
            // Each hook gets a turn even after the hard stop: closing a database may take no time at all.
            let ctx = Context::clone(&bounded);
            // All of it inside: a hook may panic before it has a future to return, and when that is given up, too.
            let turn = catch_async(async move {
                let hook = async { hook(ctx).await };
                match select::biased(&Context::root(), (hook, bounded.cancelled())).await? {
                    Two::First(text) => Ok(text),
                    Two::Second(cause) => Err(Ended::from(cause)),
                }
            });
            let outcome = match turn.await {
                Ok(Ok(text)) => Ok(text),
                Ok(Err(ended)) => Err(format!("given up: {}", ended.cause())),
                Err(panic) => Err(panic.to_string()),
            };
            late += usize::from(outcome.is_err());
            said.push((name, outcome.unwrap_or_else(|why| why)));
        }
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle")
            .field("ready", &self.is_ready())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

// ===== impl Guard =====

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

// ===== impl Options =====

impl Default for Options {
    fn default() -> Self {
        Self {
            pre_drain: Duration::ZERO,
            drain: Duration::from_secs(20),
            hard_stop: Duration::from_secs(25),
            notify: None,
        }
    }
}

impl Options {
    /// Go on accepting for so long after the signal, while not ready: in Kubernetes the removal of an endpoint races
    /// the signal, and 5 s is usual. Default 0.
    #[must_use]
    pub fn pre_drain(mut self, duration: Duration) -> Self {
        self.pre_drain = duration;
        self
    }

    /// Work under way is told to end so long after the signal. Default 20 s.
    #[must_use]
    pub fn drain(mut self, duration: Duration) -> Self {
        self.drain = duration;
        self
    }

    /// What is left is aborted so long after the signal; less than the 30 s after which Kubernetes kills. Default 25 s.
    #[must_use]
    pub fn hard_stop(mut self, duration: Duration) -> Self {
        self.hard_stop = duration;
        self
    }

    /// A service manager to tell when the service is ready, and when it stops and how long that may take. Default: none.
    #[must_use]
    pub fn notify(mut self, notify: Notifier) -> Self {
        self.notify = Some(notify);
        self
    }
}

// ===== impl Report =====

impl Report {
    /// 0 if everything under way came to its end, 1 if something was aborted.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(self.aborted > 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cause, took, in_flight, aborted, forced, hooks } = self;
        write!(f, "stopped after {cause} in {took:.1?}: {in_flight} under way, {aborted} aborted")?;
        if *forced {
            f.write_str(", forced")?;
        }
        hooks.iter().try_for_each(|(name, text)| write!(f, "; {name}: {text}"))
    }
}
