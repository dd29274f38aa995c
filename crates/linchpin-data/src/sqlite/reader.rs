//! The readers: a pool of threads, and a connection for each.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use linchpin::error::Panicked;
use linchpin::resilience::FailedKind;
use linchpin::sync::Mutex;
use linchpin::sync::lock::MutexGuard;
use linchpin::task::pool::{self, BlockingPool, Pool, Priority};
use linchpin::{Context, Result};
use rusqlite::Connection;

use super::database::Alive;
use super::error::{self, Sql};
use super::writer::closed;

/// Runs queries on a few threads that cannot write. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    pool: BlockingPool,
    connections: Arc<Connections>,
}

/// Steps of SQLite's machine between two looks at whether a query should stop: some microseconds.
const STEPS: i32 = 256;

impl Reader {
    /// A reader with a thread for each of these connections, and room for so many queries in front of them.
    pub(super) fn new(connections: Vec<Open>, queue: usize) -> Result<Self> {
        let options = pool::Options::default().name("sqlite-reader").queue(queue);
        let pool = Pool::blocking(connections.len(), options)?;
        Ok(Self { pool, connections: Arc::new(Connections(Mutex::new(Some(connections)))) })
    }

    /// This reader, for queries of another priority: where threads are few, the more urgent go first.
    #[must_use]
    pub fn at(&self, priority: Priority) -> Self {
        Self { pool: self.pool.at(priority), connections: Arc::clone(&self.connections) }
    }

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
        // Ends with this future, however that ends.
        let query = ctx.child();
        let connections = Arc::clone(&self.connections);
        let job = move |ctx: &Context| {
            let mut lent = connections.lend()?;
            lent.stops_with(ctx)?;
            let conn = &lent.open().connection;
            closure(conn).map_err(|error| {
                error::naming(error, "read", Path::new(conn.path().unwrap_or_default()))
            })
        };
        let answer = self.pool.submit(&query, job).await.map_err(|not| match not.reason() {
            FailedKind::Refused(_) => closed(),
            _ => not.into(),
        })?;
        ctx.run(answer.outcome()).await?.map_err(|error| match error.find::<Panicked>() {
            Some(_) => error.context("run a query"),
            None => error,
        })
    }

    /// Runs what is queued and closes the connections. Once the context has ended, running queries are told to stop.
    pub(super) async fn close(&self, ctx: &Context) {
        drop(self.pool.drain(ctx).await);
        self.connections.close();
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// An open connection, with what must not go before it is closed.
pub(super) struct Open {
    pub(super) connection: Connection,
    // After the connection: fields are dropped in their order.
    pub(super) _alive: Arc<Alive>,
}

/// Those that no query is using; `None` once the database is closed. There are as many in all as there are threads, so
/// a query that runs finds one.
struct Connections(Mutex<Option<Vec<Open>>>);

/// A connection in the hands of one query, which leaves it as it found it, however it ends.
struct Lent<'a> {
    open: Option<Open>,
    home: &'a Connections,
}

impl Connections {
    fn lend(&self) -> Result<Lent<'_>> {
        match self.idle().as_mut().and_then(Vec::pop) {
            Some(open) => Ok(Lent { open: Some(open), home: self }),
            None => Err(closed()),
        }
    }

    fn close(&self) {
        let idle = self.idle().take();
        drop(idle);
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Open>>> {
        self.0.lock()
    }
}

impl Lent<'_> {
    /// Has statements fail once the context has ended: those that begin later, too, where SQLite's own interrupt would
    /// be forgotten.
    fn stops_with(&mut self, ctx: &Context) -> Result<()> {
        let ctx = ctx.clone();
        let ended = move || ctx.check().is_err();
        self.open().connection.progress_handler(STEPS, Some(ended)).sql("watch the context")
    }

    fn open(&mut self) -> &mut Open {
        self.open.as_mut().expect("there until the drop")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        let Open { connection, .. } = &mut open;
        // First, or it would stop what follows. It fails for connections that are somebody else's, which ours are not.
        connection.progress_handler(0, None::<fn() -> bool>).ok();
        // A transaction left open would show the next query an old state and hold up the log.
        if !connection.is_autocommit()
            && let Err(cause) = connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(error = %cause, "a query left a transaction open");
        }
        if let Some(idle) = self.home.idle().as_mut() {
            idle.push(open);
        }
    }
}
