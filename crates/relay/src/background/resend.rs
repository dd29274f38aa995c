//! A task that sends messages again.

use linchpin::task::pipeline::{Options, Pipeline};
use linchpin::task::stream;
use linchpin::{Context, Result};

use crate::store::{Section, Store};

/// How many sections of the walk are looked at at once, and how many may wait.
const WIDTH: usize = 2;

/// Walks on from where the task of this row is, to the end.
///
/// # Errors
///
/// Those of the store; the end of `ctx`. What was done until then is done.
pub(super) async fn run(ctx: &Context, store: &Store, rowid: i64) -> Result<()> {
    let Some(work) = store.work(ctx, rowid).await? else { return Ok(()) };
    let (task, kind) = (work.id, work.kind.as_str());
    tracing::info!(%task, kind, resumed = work.mark.is_some(), "a background task begins");
    let (reader, options) = (store.clone(), Options::default().width(WIDTH).buffer(WIDTH));
    let sections = stream::try_from_fn(async |mut sections| {
        let mut mark = work.mark;
        while let Some(section) = store.section(ctx, work, mark).await? {
            mark = Some(section.mark);
            sections.give(section).await;
        }
        Ok(())
    });
    Pipeline::from(sections)
        .filter_map("select", options, move |ctx, section: Result<Section>| {
            let store = reader.clone();
            async move { store.select(&ctx, work, section?).await }
        })
        // A mark says that all before it is done.
        .ordered()
        .for_each(ctx, |batch| store.resend(ctx, work, batch))
        .await?;
    store.end_task(ctx, rowid, Ok(())).await?;
    tracing::info!(%task, kind, "a background task is finished");
    Ok(())
}
