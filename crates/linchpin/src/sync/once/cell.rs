//! The cell.

use std::convert::Infallible;
use std::fmt;
use std::sync::OnceLock;

use super::turn::Turns;
use super::wait::Mine;
use crate::context::Context;
use crate::resilience::{Failed, FailedKind};

/// A value that is made once, by the first who needs it.
///
/// Go's `sync.Once` and `sync.OnceValues`, with the value inside. What differs on purpose: an attempt that fails, panics
/// or is dropped is none, and the next in line makes another, with work of its own; tasks wait under a context; and work
/// that asks for the value it makes panics where it can be told, and does not hang.
///
/// **Who waits** does so in line. One at a time makes an attempt, threads and tasks in one order, so a value is never made
/// twice. A failure is its caller's alone: behind a service that is down, ten callers wait for ten attempts, each as long
/// as its context lasts. To share one failure among them, use a [single flight](crate::sync::singleflight).
///
/// To read the value is one load. It cannot go away while others look at it, so [`take`](Self::take) needs the cell for
/// itself; a value that is renewed while it is in use is a [`Renewable`](super::Renewable).
///
/// ```
/// # use linchpin::{Context, sync::once::Once};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let ctx = Context::root();
/// static LIMIT: Once<u32> = Once::new();
/// assert!(LIMIT.get_or_load(&ctx, async || Err("down")).await.is_err());
/// assert_eq!(*LIMIT.get_or_load(&ctx, async || Ok::<_, &str>(10)).await.unwrap(), 10);
/// assert_eq!(*LIMIT.get_or_init(|| 20), 10);
/// # }
/// ```
pub struct Once<T> {
    value: OnceLock<T>,
    turns: Turns,
}

impl<T> Once<T> {
    /// A cell without a value, for a `static`, too.
    #[must_use]
    #[cfg(not(linchpin_loom))]
    pub const fn new() -> Self {
        Self { value: OnceLock::new(), turns: Turns::new() }
    }

    /// The same where models run.
    #[must_use]
    #[cfg(linchpin_loom)]
    pub fn new() -> Self {
        Self { value: OnceLock::new(), turns: Turns::new() }
    }

    /// The value, if it is there.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, which `make` makes if there is none. Blocks the thread while somebody else makes it.
    ///
    /// In a task, where whoever makes the value may be a task of the same thread, use [`get_or_load`](Self::get_or_load).
    ///
    /// # Panics
    ///
    /// If `make` does, which harms nobody else; and if `make` asks for the value on the same thread.
    #[inline]
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        match self.get_or_try_init(|| Ok::<_, Infallible>(make())) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// The same for work that may fail. The next in line makes another attempt then.
    ///
    /// # Errors
    ///
    /// That of `make`.
    ///
    /// # Panics
    ///
    /// As [`get_or_init`](Self::get_or_init).
    #[inline]
    pub fn get_or_try_init<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        match self.get() {
            Some(value) => Ok(value),
            None => self.init(make),
        }
    }

    /// The same for work that waits, and for tasks: under a context, which ends the wait as well as the work.
    ///
    /// `work` is called if it comes to be one's turn, and is dropped unused otherwise.
    ///
    /// # Errors
    ///
    /// `Callee` with the error of `work`; `Ended` when the context ends before the value is there. A value that is there is
    /// returned whether or not the context has ended.
    ///
    /// # Panics
    ///
    /// If `work` does, which harms nobody else. Work that asks for the value it makes waits until its context ends.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the line, or drops the work where it stands; then it is the next one's turn.
    pub async fn get_or_load<E, F, Fut>(&self, ctx: &Context, work: F) -> Result<&T, Failed<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        // Apart from the rest, so that who finds the value makes no room for the making.
        match self.get() {
            Some(value) => Ok(value),
            None => self.load(ctx, work).await,
        }
    }

    /// Puts a value where none is.
    ///
    /// # Errors
    ///
    /// The value again, if there is one or somebody is making one.
    pub fn set(&self, value: T) -> Result<(), T> {
        match self.turns.mine_now() {
            Some(mine) => {
                self.keep(mine, value);
                Ok(())
            }
            None => Err(value),
        }
    }

    /// Takes the value out, so that the next who needs it makes another. Go's `once = sync.Once{}`, without the race.
    pub fn take(&mut self) -> Option<T> {
        let value = self.value.take();
        if value.is_some() {
            self.turns.again();
        }
        value
    }

    /// The value, to be changed in place.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// The value, if it was made.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    #[cold]
    fn init<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        match self.turns.mine_blocking() {
            Some(mine) => Ok(self.keep(mine, make()?)),
            None => Ok(self.made()),
        }
    }

    async fn load<E, F, Fut>(&self, ctx: &Context, work: F) -> Result<&T, Failed<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        ctx.check()?;
        let Some(mine) = self.turns.mine(ctx).await? else { return Ok(self.made()) };
        let made = ctx.run(async { work().await }).await?;
        Ok(self.keep(mine, made.map_err(FailedKind::Callee)?))
    }

    /// The value is there before anybody is told.
    fn keep(&self, mine: Mine<'_>, value: T) -> &T {
        // Nobody else has the turn, so it is this value that is there.
        let value = self.value.get_or_init(|| value);
        mine.finish();
        value
    }

    fn made(&self) -> &T {
        self.get().expect("whoever ends the line has left the value")
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for Once<T> {
    fn from(value: T) -> Self {
        Self { value: OnceLock::from(value), turns: Turns::over() }
    }
}

impl<T: fmt::Debug> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(value) => f.debug_tuple("Once").field(value).finish(),
            None => f.write_str("Once(<none>)"),
        }
    }
}
