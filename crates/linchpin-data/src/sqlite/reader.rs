//! The readers: a queue, and a few threads with a connection each.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use linchpin::error::catch;
use linchpin::{Context, Result};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::job::{contained, send};
use super::writer::closed;

/// Runs queries on a few threads that cannot write. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    queue: mpsc::Sender<Command>,
}

impl Reader {
    /// Runs the closure on a read-only connection and returns what it returned.
    ///
    /// It sees everything that was committed when its statement starts. Several statements that must
    /// see the same state belong into a transaction (`conn.unchecked_transaction()`); one left open
    /// is rolled back.
    ///
    /// When the context ends, its cause is returned at once, and the query stops: a queued closure
    /// never runs; in a running one the statement, and each later one of more than trivial length,
    /// fails as interrupted. The next query on that connection is not touched.
    ///
    /// # Errors
    ///
    /// The closure's own; [`Kind::Internal`](linchpin::Kind::Internal) if it panicked; the context's
    /// cause; [`Kind::Unavailable`](linchpin::Kind::Unavailable) after
    /// [`Database::close`](super::Database::close).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the query as an ended context does.
    pub async fn query<T, F>(&self, ctx: &Context, closure: F) -> Result<T>
    where
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let place = ctx.run(self.queue.reserve()).await?.map_err(|_| closed())?;
        let (answer, answered) = oneshot::channel();
        let ticket = Arc::new(Ticket::default());
        let stop = StopOnDrop(Arc::clone(&ticket));
        place.send(Command::Run(Box::new(move |conn, flag| {
            if !ticket.start(flag) {
                return;
            }
            let result = catch(|| closure(conn)).map_err(|error| error.context("run a query"));
            ticket.finish();
            send(answer, result.flatten());
        })));
        let result = ctx.run(answered).await?.map_err(|_| closed())?;
        drop(stop);
        result
    }

    /// Has the threads end once they have run all that was queued before.
    pub(super) async fn close(&self, ctx: &Context) -> Result<()> {
        // A closed queue means that the threads are ending already.
        drop(ctx.run(self.queue.send(Command::Close)).await?);
        Ok(())
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queued = self.queue.max_capacity() - self.queue.capacity();
        f.debug_struct("Reader").field("queued", &queued).finish()
    }
}

type Query = Box<dyn FnOnce(&Connection, &Arc<AtomicBool>) + Send>;

enum Command {
    Close,
    Run(Query),
}

/// Where a query stands, so that a stop reaches this query and never the next on its connection.
///
/// The connection's flag is raised only under this lock and only while the query runs; `finish`
/// takes the same lock before the connection moves on. The flag stays up between the statements of
/// one closure, where SQLite's own interrupt would be forgotten.
#[derive(Debug, Default)]
struct Ticket(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Queued,
    Running(Arc<AtomicBool>),
    Over,
}

impl Ticket {
    fn start(&self, flag: &Arc<AtomicBool>) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queued = matches!(*state, State::Queued);
        if queued {
            *state = State::Running(Arc::clone(flag));
        }
        queued
    }

    fn finish(&self) {
        self.end(false);
    }

    fn stop(&self) {
        self.end(true);
    }

    fn end(&self, flag: bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Running(stop) = &*state {
            stop.store(flag, Ordering::Relaxed);
        }
        // A stopped query runs on until it notices, and then still has to lower the flag.
        if !(flag && matches!(*state, State::Running(_))) {
            *state = State::Over;
        }
    }
}

/// Stops the query when its future goes away.
struct StopOnDrop(Arc<Ticket>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The threads' side of the queue, shared by all of them: one waits in it, the others for the lock.
#[derive(Clone)]
pub(super) struct Worker {
    queue: Arc<Mutex<mpsc::Receiver<Command>>>,
}

/// A reader and the worker to be run on each thread, with a connection each.
pub(super) fn pair(queue: usize) -> (Reader, Worker) {
    let (sender, queue) = mpsc::channel(queue);
    (Reader { queue: sender }, Worker { queue: Arc::new(Mutex::new(queue)) })
}

impl Worker {
    /// Runs queries until the queue is closed and empty, or nobody is left to fill it.
    pub(super) fn work(&self, conn: &Connection, flag: &Arc<AtomicBool>) {
        while let Some(query) = self.next() {
            // It catches its own panics, but not those of what it drops.
            contained("a dropped query", || query(conn, flag));
            // A transaction left open would show the next query an old state and hold up the log.
            if !conn.is_autocommit()
                && let Err(cause) = conn.execute_batch("ROLLBACK")
            {
                tracing::warn!(error = %cause, "a query left a transaction open");
            }
        }
    }

    fn next(&self) -> Option<Query> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match queue.blocking_recv()? {
                Command::Run(query) => return Some(query),
                Command::Close => queue.close(),
            }
        }
    }
}
