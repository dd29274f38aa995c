//! How bodies are read: in one piece, and no more of them at a time than there is memory for. What takes long with one of them is done
//! apart.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use linchpin::context::Context;
use linchpin::error;
use linchpin::sync::object_pool::{Buffer, BufferOptions, BufferPool, Stats};
use linchpin::sync::select;
use linchpin::sync::semaphore::{self, Permit, Semaphore};
use linchpin::task;

use super::error::ApiError;

/// The largest body that is read: 1 MiB.
pub const LIMIT: usize = 1 << 20;

/// So much of bodies is in memory at a time, in units: 32 MiB.
const ROOM: usize = 32 << 10;
/// One unit of room, in bytes.
const UNIT: usize = 1 << 10;
/// For so long a body waits for room, or for its turn.
const PATIENCE: Duration = Duration::from_secs(1);
/// The smallest buffer: bodies of one piece are as large as this, or nearly so.
const SMALLEST: usize = 8 << 10;

/// Where bodies are read. Clones share the memory.
///
/// A body takes room for what has come of it, and not for what it announces: who sends slowly holds little. It has its
/// room until its request is answered. One that finds none within a second is refused by a 503.
#[derive(Clone, Debug)]
pub struct Bodies {
    /// Where those are put together that come in several pieces: a large one would be a new piece of memory each time.
    buffers: BufferPool,
    room: Semaphore,
    /// The turn of what takes long.
    turn: Semaphore,
}

/// A body in one piece.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    pub(super) room: Room,
}

/// The room of a body, until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Room(Option<Permit>);

impl Default for Bodies {
    fn default() -> Self {
        let options = BufferOptions::default().name("request bodies").sizes(SMALLEST, LIMIT);
        let semaphore = |permits, name| {
            let options = semaphore::Options::default().name(name);
            Semaphore::new(permits, options).expect("there is room")
        };
        Self {
            buffers: BufferPool::new(options).expect("two powers of two"),
            room: semaphore(ROOM, "request bodies"),
            turn: semaphore(1, "slow bodies"),
        }
    }
}

impl Bodies {
    /// How many bytes more may come.
    #[must_use]
    pub fn free(&self) -> usize {
        self.room.available() * UNIT
    }

    /// What the buffers have done.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.buffers.stats()
    }

    /// Reads a body. One in one piece stays as it came.
    pub(super) async fn read(&self, ctx: &Context, body: Body) -> Result<Whole, ApiError> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(LIMIT).min(LIMIT);
        let mut body = Limited::new(body, LIMIT);
        let mut room = Room::default();
        let (mut first, mut whole): (Bytes, Option<Buffer>) = Default::default();
        while let Some(frame) = body.frame().await {
            // Trailers say nothing here.
            let Ok(piece) = frame.map_err(|fault| fault_of(&*fault))?.into_data() else { continue };
            let before = whole.as_ref().map_or(first.len(), |whole| whole.len());
            self.make_room(ctx, &mut room, before + piece.len()).await?;
            match &mut whole {
                Some(whole) => whole.extend_from_slice(&piece),
                None if first.is_empty() => first = piece,
                None => {
                    let mut begun =
                        self.buffers.take_owned(announced.max(first.len() + piece.len()));
                    begun.extend_from_slice(&first);
                    begun.extend_from_slice(&piece);
                    whole = Some(begun);
                }
            }
        }
        Ok(Whole { bytes: whole.map_or(first, Bytes::from_owner), room })
    }

    /// Has room for so many bytes in all.
    async fn make_room(
        &self,
        ctx: &Context,
        room: &mut Room,
        bytes: usize,
    ) -> Result<(), ApiError> {
        let missing = bytes.div_ceil(UNIT).saturating_sub(room.units());
        if missing == 0 {
            return Ok(());
        }
        room.add(taken(ctx, &self.room, missing).await?);
        Ok(())
    }

    /// Has `work` done on a thread where it holds up nobody, one at a time: a second processor is enough for everybody else. Its
    /// turn ends with the work, whoever still waits for it.
    pub(super) async fn apart<T: Send + 'static>(
        &self,
        ctx: &Context,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = taken(ctx, &self.turn, 1).await?;
        let working = task::blocking("slow body", move || {
            let done = work();
            drop(turn);
            done
        });
        ctx.run(working.join()).await.map_err(|_| unavailable())
    }
}

async fn taken(ctx: &Context, from: &Semaphore, permits: usize) -> Result<Permit, ApiError> {
    match select::within(ctx, PATIENCE, from.acquire_owned(ctx, permits)).await {
        Ok(Some(Ok(permit))) => Ok(permit),
        _ => Err(unavailable()),
    }
}

fn unavailable() -> ApiError {
    ApiError::of_status(StatusCode::SERVICE_UNAVAILABLE)
}

impl Room {
    fn units(&self) -> usize {
        self.0.as_ref().map_or(0, Permit::permits)
    }

    fn add(&mut self, permit: Permit) {
        match &mut self.0 {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
    }
}

fn fault_of(fault: &(dyn std::error::Error + 'static)) -> ApiError {
    // A limit further out says the same, under wrappers.
    if error::find::<LengthLimitError>(fault).is_some() {
        ApiError::of_status(StatusCode::PAYLOAD_TOO_LARGE)
    } else {
        ApiError::new(StatusCode::BAD_REQUEST, "generic_error", "The body did not arrive whole")
    }
}
