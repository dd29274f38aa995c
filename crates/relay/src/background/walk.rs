//! A task on its way through the list that it walks.

use linchpin::task::pipeline::{Options, Pipeline};
use linchpin::task::stream;
use linchpin::{Context, Result};

use crate::model::task::TaskKind;
use crate::store::{
    BulkReplay, Job, Purge, Recover, Replay, Section, Store, Subscriptions, Usage, Work,
};

/// How many sections of the walk are looked at at once, and how many may wait.
const WIDTH: usize = 2;

/// Goes on from where the task of this row is, to the end.
///
/// # Errors
///
/// Those of the store; the end of `ctx`. What was done until then is done.
pub(super) async fn run(ctx: &Context, store: &Store, rowid: i64) -> Result<()> {
    let Some(job) = store.job(ctx, rowid).await? else { return Ok(()) };
    let (task, kind) = (job.id, job.kind.as_str());
    tracing::info!(%task, kind, resumed = job.mark.is_some(), "a background task begins");
    match job.kind {
        TaskKind::Recover => walk::<Recover>(ctx, store, &job).await,
        TaskKind::Replay => walk::<Replay>(ctx, store, &job).await,
        TaskKind::BulkReplay => walk::<BulkReplay>(ctx, store, &job).await,
        TaskKind::PurgeContent => walk::<Purge>(ctx, store, &job).await,
        TaskKind::AppStats => walk::<Usage>(ctx, store, &job).await,
        TaskKind::EventTypes => walk::<Subscriptions>(ctx, store, &job).await,
    }?;
    if job.purges() {
        store.empty_log(ctx).await;
    }
    store.end_task(ctx, rowid, Ok(())).await?;
    tracing::info!(%task, kind, "a background task is finished");
    Ok(())
}

/// Reads sections ahead of those that are looked at, and these ahead of what is done, in the order of the list.
async fn walk<W: Work>(ctx: &Context, store: &Store, job: &Job) -> Result<()> {
    let work: W = store.work(job)?;
    let (reader, looks) = (store.clone(), work.clone());
    let options = Options::default().width(WIDTH).buffer(WIDTH);
    let sections = stream::try_from_fn(async |mut sections| {
        let mut mark = job.mark;
        while let Some(section) = store.section(ctx, job, &work, mark).await? {
            mark = Some(section.mark);
            sections.give(section).await;
        }
        Ok(())
    });
    Pipeline::from(sections)
        .filter_map("select", options, move |ctx, section: Result<Section<W::Item>>| {
            let (reader, looks) = (reader.clone(), looks.clone());
            async move { reader.select(&ctx, &looks, section?).await }
        })
        // A mark says that all before it is done.
        .ordered()
        .for_each(ctx, |section| store.apply(ctx, job, &work, section))
        .await
}
