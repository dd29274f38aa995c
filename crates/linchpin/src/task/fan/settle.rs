//! Several futures, of which some are enough.

use std::ops::ControlFlow;

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use crate::context::{Context, Ended};
use crate::error::{Error, Kind};

/// The first of `works` to end, well or badly.
///
/// ```
/// # use std::time::Duration;
/// # use linchpin::{Context, task::fan};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> linchpin::Result<()> {
/// # let ctx = Context::root();
/// let reply = |place, after| {
///     let ctx = &ctx;
///     async move { Ok(ctx.sleep(Duration::from_millis(after)).await.map(|()| place)?) }
/// };
/// assert_eq!(fan::race(&ctx, [reply("far", 30), reply("near", 10)]).await?, "near");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// That of the first, if it failed; the end of `ctx`; [`Kind::InvalidArgument`] if there is none to race.
///
/// # Cancel safety
///
/// Dropping the future drops all of `works` where they stand.
pub async fn race<T, F>(ctx: &Context, works: impl IntoIterator<Item = F>) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    match each(ctx, works, |_, result| ControlFlow::Break(result)).await? {
        Some(result) => result,
        None => Err(none("race")),
    }
}

/// The first of `works` that succeeds.
///
/// # Errors
///
/// All errors, joined, if none succeeded; the end of `ctx`; [`Kind::InvalidArgument`] if there is none.
///
/// # Cancel safety
///
/// As [`race`].
pub async fn first<T, F>(ctx: &Context, works: impl IntoIterator<Item = F>) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut errors = Vec::new();
    let won = each(ctx, works, |_, result| match result {
        Ok(value) => ControlFlow::Break(value),
        Err(error) => {
            errors.push(error);
            ControlFlow::Continue(())
        }
    });
    match won.await? {
        Some(value) => Ok(value),
        None => Err(Error::join(errors).unwrap_or_else(|| none("first"))),
    }
}

/// The values of all of `works` in their order, or the first error.
///
/// # Errors
///
/// The first error; the end of `ctx`.
///
/// # Cancel safety
///
/// As [`race`].
pub async fn all<T, F>(ctx: &Context, works: impl IntoIterator<Item = F>) -> Result<Vec<T>, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut values = Vec::new();
    let failed = each(ctx, works, |place, result| match result {
        Ok(value) => {
            put(&mut values, place, value);
            ControlFlow::Continue(())
        }
        Err(error) => ControlFlow::Break(error),
    });
    match failed.await? {
        Some(error) => Err(error),
        None => Ok(values.into_iter().flatten().collect()),
    }
}

/// How each of `works` ended, in their order; those that `ctx` cut off say so.
///
/// # Cancel safety
///
/// As [`race`].
pub async fn gather<T, F>(
    ctx: &Context,
    works: impl IntoIterator<Item = F>,
) -> Vec<Result<T, Error>>
where
    F: Future<Output = Result<T, Error>>,
{
    let works: Vec<F> = works.into_iter().collect();
    let mut results: Vec<Option<Result<T, Error>>> = works.iter().map(|_| None).collect();
    let ended = each(ctx, works, |place, result| {
        results[place] = Some(result);
        ControlFlow::<()>::Continue(())
    });
    match ended.await {
        Ok(_) => results.into_iter().flatten().collect(),
        Err(ended) => {
            let cut = |result: Option<_>| result.unwrap_or_else(|| Err(ended.clone().into()));
            results.into_iter().map(cut).collect()
        }
    }
}

/// The first `needed` successes of `works`, each with its place among them, in the order of coming.
///
/// It fails as soon as so many have failed that the rest cannot be enough.
///
/// # Errors
///
/// The errors so far, joined; the end of `ctx`; [`Kind::InvalidArgument`] if more are needed than there are.
///
/// # Cancel safety
///
/// As [`race`].
pub async fn quorum<T, F>(
    ctx: &Context,
    needed: usize,
    works: impl IntoIterator<Item = F>,
) -> Result<Vec<(usize, T)>, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let works: Vec<F> = works.into_iter().collect();
    let Some(spare) = works.len().checked_sub(needed) else {
        let why = format!("a quorum of {needed} out of {}", works.len());
        return Err(Error::new(Kind::InvalidArgument, why));
    };
    let (mut won, mut errors) = (Vec::with_capacity(needed), Vec::new());
    if needed > 0 {
        let settled = each(ctx, works, |place, result| {
            match result {
                Ok(value) => won.push((place, value)),
                Err(error) => errors.push(error),
            }
            if won.len() == needed || errors.len() > spare {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        settled.await?;
    }
    if won.len() == needed {
        return Ok(won);
    }
    Err(Error::join(errors).unwrap_or_else(|| none("quorum")))
}

/// Runs all of `works` until one says that it is enough.
async fn each<T, F, B>(
    ctx: &Context,
    works: impl IntoIterator<Item = F>,
    mut settle: impl FnMut(usize, Result<T, Error>) -> ControlFlow<B>,
) -> Result<Option<B>, Ended>
where
    F: Future<Output = Result<T, Error>>,
{
    let with_place = |(place, work): (usize, F)| async move { (place, work.await) };
    let mut running: FuturesUnordered<_> = works.into_iter().enumerate().map(with_place).collect();
    ctx.run(async {
        while let Some((place, result)) = running.next().await {
            if let ControlFlow::Break(enough) = settle(place, result) {
                return Some(enough);
            }
        }
        None
    })
    .await
}

fn put<T>(values: &mut Vec<Option<T>>, place: usize, value: T) {
    if values.len() <= place {
        values.resize_with(place + 1, || None);
    }
    values[place] = Some(value);
}

fn none(what: &str) -> Error {
    Error::new(Kind::InvalidArgument, format!("nothing to choose from: {what} of none"))
}
