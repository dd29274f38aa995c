//! Work that outlives its request: a row says what is to be done and how far it has come, a pool works the rows off.
//!
//! ```text
//! POST ──▶ row of background_task ──COMMIT──▶ 202
//!                  │                  └─bell─┐
//!                  └──▶ the next row ◀───────┘──▶ pool ──▶ sections ──▶ select ──▶ what is done, and how far: one submission
//! ```
//!
//! The table is the queue: memory holds the rows that are being worked off and no others, whoever asks for how many. A
//! shutdown and a kill are the same to a task, for what it has done and how far it has come are committed together: it is
//! `running` until the next start takes it up where it was.

pub(crate) mod sweep;
mod walk;

use std::ops::Range;
use std::time::Duration;

use linchpin::error::catch_async;
use linchpin::task::pool::{self, Pool};
use linchpin::task::{self, Task};
use linchpin::{Context, Kind, Result};

use crate::store::{Refusal, Store};

/// The tasks of all tenants. It takes up no more when its context ends, and stops those that run.
#[derive(Debug)]
pub struct Background {
    pool: Pool,
    taking_up: Task<()>,
}

/// How many tasks run at once; the others wait in the table.
const AT_ONCE: usize = 2;
/// The waits between tries while storage fails.
const AGAIN: Range<Duration> = Duration::from_millis(100)..Duration::from_secs(10);

impl Background {
    /// Takes up what the last process left unfinished, and then what comes.
    ///
    /// # Errors
    ///
    /// None that depends on the arguments.
    pub fn start(store: Store, ctx: &Context) -> Result<Self> {
        // No queue: a row is taken up when a worker is free for it.
        let options = pool::Options::default().name("background task").queue(0);
        let pool = Pool::new(AT_ONCE, options)?;
        let taking_up = task::spawn("background", take_up(ctx.clone(), store, pool.clone()));
        Ok(Self { pool, taking_up })
    }

    /// Waits until nothing runs; call it once the context has ended. Returns how many tasks were cut off.
    pub async fn drain(self, ctx: &Context) -> u64 {
        self.taking_up.join().await;
        self.pool.drain(ctx).await.stats.failed
    }
}

/// Submits each row once, in their order.
async fn take_up(ctx: Context, store: Store, pool: Pool) {
    let mut last = 0;
    loop {
        let next = store.next_task(&ctx, last).await;
        let waited = match next {
            Ok(Some(rowid)) => {
                last = rowid;
                let store = store.clone();
                // What becomes of it is told by its row.
                pool.submit(&ctx, move |ctx| work_off(ctx, store, rowid)).await.is_ok()
            }
            Ok(None) => store.task_begun(&ctx).await.is_ok(),
            Err(error) => {
                if !ctx.is_cancelled() {
                    tracing::error!(error = %error.report(), "cannot take up background tasks");
                }
                ctx.sleep(AGAIN.end).await.is_ok()
            }
        };
        if !waited {
            return;
        }
    }
}

/// Works a row off, however long storage takes to heal. An error means that it was cut off.
async fn work_off(ctx: Context, store: Store, rowid: i64) -> Result<()> {
    let mut wait = AGAIN.start;
    loop {
        let Err(error) = catch_async(walk::run(&ctx, &store, rowid)).await.flatten() else {
            return Ok(());
        };
        ctx.check()?;
        let passes = matches!(error.kind(), Kind::Unavailable | Kind::Aborted);
        tracing::warn!(task = rowid, passes, error = %error.report(), "a background task failed");
        if !passes && store.end_task(&ctx, rowid, Err(reason(&error))).await.is_ok() {
            return Ok(());
        }
        ctx.sleep(wait).await?;
        wait = (wait * 2).min(AGAIN.end);
    }
}

/// What a client may read of it.
fn reason(error: &linchpin::Error) -> String {
    match error.find::<Refusal>() {
        Some(refusal) => refusal.to_string(),
        None => error.public().to_owned(),
    }
}
