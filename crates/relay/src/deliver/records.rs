//! What became of deliveries, written down many at a time.
//!
//! Nobody waits for the record of an attempt as a sender waits for its 202: so records wait for each other, a moment, and
//! share one submission to the writer and mostly one commit. What was sent and is not yet on record when the process is
//! killed is sent again, under the same id.

use std::sync::Arc;
use std::time::Duration;

use linchpin::context::{Context, Ended};
use linchpin::resilience::FailedKind;
use linchpin::sync::batch::{Batch, Batcher, Options};
use linchpin::task::fan;
use linchpin::{Error, Kind, Result};
use linchpin_data::sqlite::{Tx, Writer};

use super::health::Health;
use super::queue::Queue;
use super::ready::Ready;
use super::record::{self, Attempt, Skipped};
use crate::store::hours::Tally;
use crate::store::operational;

/// Writes records down, in batches.
#[derive(Debug)]
pub(super) struct Records {
    batcher: Batcher<Record, Result<bool>>,
}

/// What became of a delivery.
#[derive(Debug)]
pub(super) enum Record {
    /// It was attempted.
    Attempted(Box<(Ready, Attempt)>),
    /// It has nowhere to go any more.
    Skipped(Skipped),
}

/// What a record is kept with: who is told, and what it says of its endpoint.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) queue: Queue,
    pub(super) health: Health,
}

/// As many make a batch that waits no longer; with a place for each attempt under way there are seldom more.
const BATCH: usize = 64;
/// Responses of so many bytes do, too.
const BATCH_BYTES: usize = 512 << 10;
/// How long a record waits for others.
const DELAY: Duration = Duration::from_millis(20);

// ===== impl Records =====

impl Records {
    /// Records that go to `writer`; the queue is told when the deliveries in them are due again.
    pub(super) fn new(writer: Writer, kept: Kept) -> Result<Self> {
        let options = Options::default()
            .name("records")
            .max_items(BATCH)
            .max_bytes(BATCH_BYTES)
            .max_delay(DELAY);
        // Under a context of its own: what was done is recorded, shutdown or not.
        let batcher = Batcher::answering(&Context::root(), options, move |ctx, batch| {
            write(ctx, writer.clone(), kept.clone(), batch)
        })?;
        Ok(Self { batcher: batcher.weigh(Record::bytes) })
    }

    /// Writes `record` down. `false` if it was on record already.
    pub(super) async fn write(&self, record: Record) -> Result<bool> {
        match self.batcher.submit(&Context::root(), record).await {
            Ok(answer) => answer,
            Err(failed) => Err(match failed.into_kind() {
                FailedKind::Callee(error) | FailedKind::Panicked(error) => error,
                FailedKind::Refused(refusal) => refusal.into(),
                FailedKind::Ended(ended) => ended.into(),
                _ => Error::new(Kind::Internal, "a batch of records came to no end"),
            }),
        }
    }

    /// Waits until all that was handed in is written down.
    pub(super) async fn close(&self, ctx: &Context) -> std::result::Result<(), Ended> {
        self.batcher.close(ctx).await
    }
}

/// All in one transaction. If that fails each for itself, as one that cannot be written must not keep the others out.
async fn write(
    ctx: Context,
    writer: Writer,
    kept: Kept,
    batch: Batch<Record, Result<bool>>,
) -> Result<()> {
    let (records, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let records: Arc<[Record]> = records.into();
    match submit(&ctx, &writer, &kept, records.clone(), 0..records.len()).await {
        Ok(answers) => {
            for (reply, new) in replies.into_iter().zip(answers) {
                reply.send(Ok(new));
            }
        }
        Err(error) if records.len() == 1 => return Err(error),
        Err(error) => {
            tracing::warn!(error = %error.report(), records = records.len(), "writing records one by one");
            let each = (0..records.len())
                .map(|at| submit(&ctx, &writer, &kept, records.clone(), at..at + 1));
            let answers = fan::gather(&ctx, each).await;
            for (reply, answer) in replies.into_iter().zip(answers) {
                reply.send(answer.map(|new| new == [true]));
            }
        }
    }
    Ok(())
}

/// One submission of some of the records; which of them were new.
async fn submit(
    ctx: &Context,
    writer: &Writer,
    kept: &Kept,
    records: Arc<[Record]>,
    which: std::ops::Range<usize>,
) -> Result<Vec<bool>> {
    let (kept, bytes) = (kept.clone(), records[which.clone()].iter().map(Record::bytes).sum());
    let work = move |tx: &mut Tx<'_>| {
        let (mut written, mut tally) = (Vec::with_capacity(which.len()), Tally::default());
        for record in &records[which.clone()] {
            let new = record.write(tx, &kept, &mut tally)?;
            if new {
                record.tell(tx, &kept.queue);
            }
            written.push(new);
        }
        tally.write(tx)?;
        Ok(written)
    };
    writer.submit_sized(ctx, bytes, work).await
}

// ===== impl Record =====

impl Record {
    fn bytes(&self) -> usize {
        match self {
            Self::Attempted(made) => made.1.response.len(),
            Self::Skipped(_) => 0,
        }
    }

    /// Whether it is new.
    fn write(
        &self,
        tx: &mut Tx<'_>,
        Kept { queue, health }: &Kept,
        tally: &mut Tally,
    ) -> Result<bool> {
        match self {
            Self::Attempted(made) => {
                let (ready, attempt) = &**made;
                let is_new = record::record(tx, ready, attempt, tally)?;
                if is_new {
                    if let Some(event) = attempt.operational(ready) {
                        operational::emit(tx, queue, ready.owner(), event)?;
                    }
                    if !attempt.is_ours {
                        health.heard(tx, queue, ready, attempt)?;
                    }
                }
                Ok(is_new)
            }
            Self::Skipped(skipped) => record::skip(tx, skipped, tally),
        }
    }

    /// Has the queue told, once this is committed, when to take the delivery up again.
    fn tell(&self, tx: &mut Tx<'_>, queue: &Queue) {
        if let Self::Attempted(made) = self
            && let (ready, Some(next)) = (&made.0, made.1.next)
        {
            queue.stored(tx, (ready.app, ready.endpoint), next.due);
        }
    }
}
