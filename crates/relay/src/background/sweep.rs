//! Has what is old go: payloads, messages with their attempts, the space they took in the file, and a log that may have what was
//! expunged.

use std::time::Duration;

use linchpin::task::Ticker;
use linchpin::time::{Instant, Timestamp};
use linchpin::{Context, Result};

use crate::store::Store;

const EVERY: Duration = Duration::from_mins(1);

/// Sweeps each minute until `ctx` ends; a message is kept for `kept`.
pub(crate) async fn run(ctx: Context, store: Store, kept: Duration) {
    let mut ticker = Ticker::every(EVERY).expect("a period that is not zero");
    loop {
        if let Err(error) = sweep(&ctx, &store, kept).await {
            if ctx.is_cancelled() {
                return;
            }
            tracing::warn!(error = %error.report(), "cannot remove what is old");
        }
        if ticker.tick(&ctx).await.is_err() {
            return;
        }
    }
}

/// What is swept.
#[derive(Clone, Copy)]
enum What {
    /// Payloads whose time is over at this moment.
    Payloads(Timestamp),
    /// Messages from before this one.
    Messages(Timestamp),
}

/// Removes all that is over now, with pauses.
async fn sweep(ctx: &Context, store: &Store, kept: Duration) -> Result<()> {
    count(ctx, store).await?;
    let now = Timestamp::now();
    let payloads = all(ctx, store, What::Payloads(now)).await?;
    let messages = all(ctx, store, What::Messages(now - kept)).await?;
    store.empty_log(ctx).await;
    if payloads + messages > 0 {
        tracing::info!(payloads, messages, "removed what is old");
    }
    Ok(())
}

/// Counts the attempts of an older Relay: whoever takes one away takes it off its hour.
async fn count(ctx: &Context, store: &Store) -> Result<()> {
    loop {
        let begun = Instant::now();
        if !store.count_old_attempts(ctx).await? {
            return Ok(());
        }
        ctx.sleep(begun.elapsed()).await?;
    }
}

/// Removes until there is no more. Between two submissions it waits for as long as one took, so that no more than half of the
/// writer's time goes to what is old.
async fn all(ctx: &Context, store: &Store, what: What) -> Result<usize> {
    let (mut gone, mut mark) = (0, 0);
    loop {
        let begun = Instant::now();
        let swept = match what {
            What::Payloads(now) => store.sweep_payloads(ctx, now).await?,
            What::Messages(cutoff) => store.sweep_messages(ctx, cutoff, mark).await?,
        };
        gone += swept.gone;
        ctx.sleep(begun.elapsed()).await?;
        give_space_back(ctx, store).await?;
        match swept.mark {
            Some(next) => mark = next,
            None => return Ok(gone),
        }
    }
}

async fn give_space_back(ctx: &Context, store: &Store) -> Result<()> {
    loop {
        let begun = Instant::now();
        if !store.give_space_back(ctx).await? {
            return Ok(());
        }
        ctx.sleep(begun.elapsed()).await?;
    }
}
