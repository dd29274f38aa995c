//! The store of rates on Redis.

use std::fmt;

use linchpin::Result;
use linchpin::resilience::limiter::shared::{Answer, RateStore, Visit};
use redis::aio::ConnectionManager;
use redis::{Script, ScriptInvocation};

use super::{answer, signed};
use crate::redis::error;

/// Keeps rates on Redis 7 or later, or what speaks as it does.
///
/// A visit is one script of a few microseconds: the server's clock judges, all quotas of a key are written or none, and a
/// refusal writes nothing. The states of a key share a hash tag, so a cluster finds them in one slot. A state expires when
/// the key is full again, at least a second after it was written; a script that the server does not know, as after a
/// restart, is loaded and asked again.
///
/// Replicas are not read, so a failover forgets what was not replicated: at most a burst of each key passes more.
///
/// ```no_run
/// # use linchpin::{Context, resilience::limiter::Rate};
/// use linchpin::resilience::limiter::shared::{Options, Shared};
/// use linchpin_data::rate::Redis;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> linchpin::Result<()> {
/// # let ctx = Context::root();
/// let store = Redis::new(linchpin_data::redis::connect("redis://localhost")?);
/// let customers = Shared::new("customer", Rate::per_second(10), Options::default(), store)?;
/// customers.take(&ctx, "ann", 1).await?;
/// # Ok(())
/// # }
/// ```
pub struct Redis {
    connection: ConnectionManager,
    prefix: String,
    take: Script,
    penalize: Script,
}

// ===== impl Redis =====

impl Redis {
    /// A store on that connection, whose keys begin with `linchpin:rate:`. Asks nothing of the server.
    #[must_use]
    pub fn new(connection: ConnectionManager) -> Self {
        Self::with_prefix(connection, "linchpin:rate:")
    }

    /// The same with another beginning of its keys: for services that share a server.
    #[must_use]
    pub fn with_prefix(connection: ConnectionManager, prefix: impl Into<String>) -> Self {
        Self {
            connection,
            prefix: prefix.into(),
            take: Script::new(include_str!("take.lua")),
            penalize: Script::new(include_str!("penalize.lua")),
        }
    }

    fn prepare<'a>(&self, script: &'a Script, visit: &Visit<'_>) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        for quota in 0..visit.quotas().len() {
            call.key(format!("{}{{{}}}:{quota}", self.prefix, visit.key()));
        }
        let now = visit.now_us().map_or_else(String::new, |now| now.to_string());
        call.arg(visit.cost()).arg(signed(visit.wait_us())).arg(now);
        for quota in visit.quotas() {
            call.arg(quota.interval_us()).arg(quota.burst()).arg(quota.longest_wait_us());
        }
        call
    }
}

impl RateStore for Redis {
    async fn take<'a>(&'a self, visit: &'a Visit<'a>) -> Result<Answer> {
        let call = self.prepare(&self.take, visit);
        let numbers: Vec<i64> =
            call.invoke_async(&mut self.connection.clone()).await.map_err(error("take"))?;
        answer(visit, &numbers)
    }

    async fn penalize<'a>(&'a self, visit: &'a Visit<'a>) -> Result<()> {
        let call = self.prepare(&self.penalize, visit);
        let _nothing: Vec<i64> =
            call.invoke_async(&mut self.connection.clone()).await.map_err(error("penalize"))?;
        Ok(())
    }

    async fn epoch(&self) -> Result<u64> {
        let ours = new_epoch()?;
        let stands: Option<u64> = redis::cmd("SET")
            .arg(format!("{}epoch", self.prefix))
            .arg(ours)
            .arg("NX")
            .arg("GET")
            .query_async(&mut self.connection.clone())
            .await
            .map_err(error("epoch"))?;
        Ok(stands.unwrap_or(ours))
    }
}

/// A number that no other store has had.
fn new_epoch() -> Result<u64> {
    let random = getrandom::u64()
        .map_err(|cause| linchpin::Error::new(linchpin::Kind::Internal, cause.to_string()))?;
    // So that it is one in every language that reads it.
    Ok(random >> 11)
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
