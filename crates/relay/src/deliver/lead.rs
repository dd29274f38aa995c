//! What is kept of the clock of the schedules for the next process.

use std::time::Duration;

use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};

/// How far the clock was ahead of the wall, and when that was so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Lead {
    pub(super) ahead: Duration,
    /// What the wall showed.
    pub(super) wall: Timestamp,
}

const LOAD: &str = "SELECT lead, wall FROM clock";
const KEEP: &str = "UPDATE clock SET lead = ?1, wall = ?2";

impl Lead {
    /// What the last process has kept.
    pub(super) fn load(tx: &Tx<'_>) -> linchpin::Result<Self> {
        tx.query_row(LOAD, (), |row| {
            let (ahead, wall): (i64, i64) = (row.get(0)?, row.get(1)?);
            let ahead = Duration::from_micros(u64::try_from(ahead).unwrap_or(0));
            Ok(Self { ahead, wall: Timestamp::from_micros(wall) })
        })
        .sql("load the clock")
    }

    pub(super) fn keep(self, tx: &Tx<'_>) -> linchpin::Result<()> {
        tx.execute(KEEP, (self.ahead.as_micros() as i64, self.wall.as_micros()))
            .map(drop)
            .sql("keep the clock")
    }
}
