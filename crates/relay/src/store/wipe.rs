//! Bytes that are to be nowhere: overwritten where they lay in the file, and gone from its log.
//!
//! What a statement frees is overwritten in two degrees. The writer always overwrites rows that are deleted, and what is left
//! where rows were moved, in pages that it writes anyway: that costs nothing to speak of, and else a copy of a row might lie in a
//! page where nobody would look for it when the row is expunged. What is [`wiped`] is overwritten in pages that
//! become free, too, which is a write for each.
//!
//! The log has pages as they were, until it is written over. So it is emptied behind an expunge; if somebody reads an older
//! state just then, the sweep does it.
//!
//! What is not promised: SQLite may move a row when a large one beside it is swept, and a page that becomes free by that keeps its
//! copy until it is used again or given back; so does a page, if seldom, whose rows it packs anew. `VACUUM` writes all anew. Of the
//! disk below the file nothing is known.

use std::sync::Arc;

use linchpin::Result;
use linchpin::context::Context;
use linchpin::sync::Mutex;
use linchpin_data::sqlite::{Sql as _, Tx, Writer};

use super::Store;

/// Whether the log may have what was expunged. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Log(Arc<Mutex<Counts>>);

/// Of commits that expunged something.
#[derive(Debug, Default)]
struct Counts {
    made: u64,
    /// So many of them are in an emptied log.
    emptied: u64,
}

/// Has `work` overwrite all that it frees.
pub(super) fn wiped<T>(tx: &Tx<'_>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let set = |degree| tx.pragma_update(None, "secure_delete", degree).sql("set a pragma");
    set("ON")?;
    let done = work();
    set("FAST")?;
    done
}

impl Store {
    /// Empties the log if it may have what was expunged, and nobody reads an older state.
    pub(crate) async fn empty_log(&self, ctx: &Context) {
        if let Err(error) = self.log.empty(ctx, &self.writer).await
            && !ctx.is_cancelled()
        {
            tracing::warn!(error = %error.report(), "cannot empty the log behind an expunge");
        }
    }
}

// ===== impl Log =====

impl Log {
    /// One with nothing: what a process that was killed has left in it is gone with the open.
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Something is expunged and committed.
    pub(super) fn expunged(&self) {
        self.0.lock().made += 1;
    }

    /// The same once `tx` is committed.
    pub(super) fn expunges(&self, tx: &mut Tx<'_>) {
        let log = self.clone();
        tx.after_commit(move || log.expunged());
    }

    async fn empty(&self, ctx: &Context, writer: &Writer) -> Result<()> {
        let made = {
            let counts = self.0.lock();
            if counts.emptied == counts.made {
                return Ok(());
            }
            counts.made
        };
        // What is committed from here on is told by another count.
        if writer.empty_log(ctx).await? {
            let mut counts = self.0.lock();
            counts.emptied = counts.emptied.max(made);
        }
        Ok(())
    }
}
