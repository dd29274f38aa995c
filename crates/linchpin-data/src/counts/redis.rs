//! The store of counts on Redis.

use std::fmt;

use linchpin::resilience::breaker::fleet::{CountStore, Counts, Told};
use linchpin::{Error, Kind, Result};
use redis::Script;
use redis::aio::ConnectionManager;

use super::forget_us;
use crate::redis::error;

/// Keeps the counts of breakers on Redis 7 or later, or what speaks as it does.
///
/// A breaker is one hash, with a field for each node; who has not told anything for as long as the window of the breaker
/// is forgotten, and the whole when nobody has. What a node tells is one script, whose work grows with the nodes: a
/// hundred that tell four times a second are 40,000 fields a second.
///
/// ```no_run
/// # use linchpin::resilience::breaker::{self, Breaker};
/// use linchpin::resilience::breaker::fleet::{Fleet, Options};
/// use linchpin_data::counts::Redis;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// let breaker = Breaker::new("payments", breaker::Options::default())?;
/// let store = Redis::new(linchpin_data::redis::connect("redis://localhost")?);
/// let fleet = Fleet::join(&breaker, store, Options::default())?;
/// # drop(fleet);
/// # Ok(())
/// # }
/// ```
pub struct Redis {
    connection: ConnectionManager,
    prefix: String,
    exchange: Script,
}

// ===== impl Redis =====

impl Redis {
    /// A store on that connection, whose keys begin with `linchpin:counts:`. Asks nothing of the server.
    #[must_use]
    pub fn new(connection: ConnectionManager) -> Self {
        Self::with_prefix(connection, "linchpin:counts:")
    }

    /// The same with another beginning of its keys: for services that share a server.
    #[must_use]
    pub fn with_prefix(connection: ConnectionManager, prefix: impl Into<String>) -> Self {
        let exchange = Script::new(include_str!("exchange.lua"));
        Self { connection, prefix: prefix.into(), exchange }
    }
}

impl CountStore for Redis {
    async fn exchange<'a>(&'a self, told: &'a Told<'a>) -> Result<Vec<Counts>> {
        let Counts { node, calls, failures, slow } = told.counts;
        let mut call = self.exchange.prepare_invoke();
        call.key(format!("{}{{{}}}", self.prefix, told.group));
        call.arg(node).arg(calls).arg(failures).arg(slow);
        call.arg(forget_us(told));
        let numbers: Vec<u64> =
            call.invoke_async(&mut self.connection.clone()).await.map_err(error("exchange"))?;
        if !numbers.len().is_multiple_of(4) {
            return Err(Error::new(
                Kind::Internal,
                "an answer that is none: is another script there?",
            ));
        }
        let counts = |four: &[u64]| Counts {
            node: four[0],
            calls: four[1],
            failures: four[2],
            slow: four[3],
        };
        Ok(numbers.chunks_exact(4).map(counts).collect())
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
