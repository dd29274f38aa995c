//! Commits one at a time through the toolkit's writer: what the disk allows without grouping.

use std::path::Path;
use std::time::Duration;

use linchpin::error::ResultExt as _;
use linchpin::time::Instant;
use linchpin::{Context, Kind, Result};
use linchpin_data::migrate::{Migration, Migrations};
use linchpin_data::sqlite::{Database, Options, Sql as _, Tx};

const SCHEMA: &[Migration] = &[Migration {
    version: 1,
    name: "rows",
    sql: "CREATE TABLE row (id INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT;",
}];

/// Commits a second in each round, a row of 1 KiB a commit, in a database in `folder`.
pub(super) async fn commits(folder: &Path, rounds: usize, lasting: Duration) -> Result<Vec<f64>> {
    std::fs::create_dir_all(folder).kind(Kind::Unavailable).context("make the folder")?;
    let options = Options::default().migrations(Migrations::new(SCHEMA)?);
    let database = Database::open(folder.join("single.db"), options)?;
    let ctx = Context::root();
    let mut rates = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let began = Instant::now();
        let mut commits = 0_u32;
        while began.elapsed() < lasting {
            let insert = |tx: &mut Tx<'_>| {
                let mut insert =
                    tx.prepare_cached("INSERT INTO row (payload) VALUES (?1)").sql("prepare")?;
                insert.execute([[7_u8; 1024]]).sql("insert a row")
            };
            database.writer().submit(&ctx, insert).await?;
            commits += 1;
        }
        rates.push(f64::from(commits) / began.elapsed().as_secs_f64());
    }
    database.close(&ctx).await?;
    Ok(rates)
}
