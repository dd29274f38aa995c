//! What the stores on Postgres share.

use std::time::Duration;

use linchpin::context::Ended;
use linchpin::task::{Task, Ticker};
use linchpin::{Context, Error, Kind, Result};

/// A task that sweeps each `every` until its context ends; an error is logged, and it goes on.
pub(crate) fn keep_swept<F>(
    name: &'static str,
    ctx: &Context,
    every: Duration,
    sweep: impl Fn() -> F + Send + Sync + 'static,
) -> Result<Task<Ended>>
where
    F: Future<Output = Result<u64>> + Send + 'static,
{
    let mut ticker = Ticker::every(every)?;
    let ctx = ctx.clone();
    Ok(linchpin::task::spawn(name, async move {
        loop {
            if let Err(ended) = ticker.tick(&ctx).await {
                return ended;
            }
            match ctx.run(sweep()).await {
                Ok(Ok(went)) => tracing::trace!(task = name, went, "swept"),
                Ok(Err(error)) => {
                    tracing::warn!(task = name, error = %error.report(), "cannot sweep");
                }
                Err(ended) => return ended,
            }
        }
    }))
}

/// The error of a store, and what was tried.
pub(crate) fn error(doing: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |cause| Error::new(Kind::Unavailable, cause).context(doing)
}
