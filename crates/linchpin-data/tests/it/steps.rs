//! Every wait for the database, dropped wherever it can be: nothing that it held is left, and nothing is half done.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use linchpin::context::Child;
use linchpin::task::{self, Task};
use linchpin_data::sqlite::{Options, Sql, Tx};
use linchpin_testing::steps;
use tokio::sync::oneshot;

use crate::reader::ENDLESS;
use crate::support::{Fixture, fixture, fixture_with, insert, open, queued};

/// A database whose writer is held still, until a while after the wait began.
struct Held {
    f: Fixture,
    later: Task<()>,
    /// What the closure under test holds ...
    probe: Arc<()>,
    /// ... and how often it ran.
    ran: Arc<AtomicUsize>,
}

impl Held {
    /// With `full`, the queue has one place, and somebody has it.
    async fn new(full: bool) -> Self {
        let options = if full { Options::default().queue(1) } else { Options::default() };
        let f = fixture_with(options);
        let blocker = f.block().await;
        let mut filler = full.then(|| f.submit(|tx| insert(tx, 7)));
        if let Some(filler) = &mut filler {
            queued(filler).await;
        }
        let later = task::spawn("later", async move {
            tokio::task::yield_now().await;
            blocker.release().await;
            if let Some(filler) = filler {
                filler.await.unwrap();
            }
        });
        Self { f, later, probe: Arc::default(), ran: Arc::default() }
    }

    /// What the writer has done by the end is what ran, whole; nothing waits, and nothing is held.
    async fn check(&self) {
        while !self.later.is_finished() {
            tokio::task::yield_now().await;
        }
        self.f.submit(|tx| insert(tx, 9)).await.unwrap();
        let written = self.f.keys().contains(&(1, 1));
        assert_eq!(usize::from(written), self.ran.load(Ordering::SeqCst));
        assert_eq!(self.f.database.writer().stats().queued, 0);
        assert_eq!(Arc::strong_count(&self.probe), 1);
    }
}

#[linchpin_testing::test]
async fn a_submission_that_is_dropped_is_withdrawn_or_wholly_done() {
    for full in [false, true] {
        for bytes in [None, Some(10)] {
            let work = async |held: &Held| {
                let (probe, ran) = (held.probe.clone(), held.ran.clone());
                let closure = move |tx: &mut Tx<'_>| {
                    ran.fetch_add(1, Ordering::SeqCst);
                    insert(tx, 1).map(|_| Arc::strong_count(&probe))
                };
                let writer = held.f.database.writer();
                match bytes {
                    None => writer.submit(&held.f.ctx, closure).await.unwrap(),
                    Some(bytes) => writer.submit_sized(&held.f.ctx, bytes, closure).await.unwrap(),
                }
            };
            let report =
                steps::drop_at_each(async || Held::new(full).await, work, Held::check).await;
            assert!(report.steps > 1, "{report:?}");
        }
    }
}

#[linchpin_testing::test]
async fn a_log_is_emptied_though_nobody_waits_for_it_or_left_whole() {
    let work = async |held: &Held| {
        assert!(held.f.database.writer().empty_log(&held.f.ctx).await.unwrap());
    };
    for full in [false, true] {
        let report = steps::drop_at_each(async || Held::new(full).await, work, Held::check).await;
        assert!(report.steps > 1, "{report:?}");
    }
}

#[linchpin_testing::test]
async fn a_query_that_is_dropped_in_line_leaves_the_readers_free() {
    type World = (Fixture, Task<()>, Arc<()>);

    // One reader, which is busy until a while after the wait began.
    let world = async || {
        let f = fixture_with(Options::default().readers(1));
        let (release, released) = mpsc::channel::<()>();
        let (reader, ctx) = (f.database.reader().clone(), f.ctx.clone());
        let (begin, begun) = oneshot::channel();
        let busy = task::spawn("busy", async move {
            let query = reader.query(&ctx, move |_| {
                begin.send(()).ok();
                Ok(released.recv().ok())
            });
            query.await.unwrap();
        });
        begun.await.unwrap();
        let later = task::spawn("later", async move {
            tokio::task::yield_now().await;
            drop(release);
            busy.join().await;
        });
        (f, later, Arc::new(()))
    };
    let work = async |(f, _, probe): &World| {
        let probe = probe.clone();
        f.database.reader().query(&f.ctx, move |_| Ok(Arc::strong_count(&probe))).await.unwrap()
    };
    let left = async |(f, later, probe): &World| {
        while !later.is_finished() {
            tokio::task::yield_now().await;
        }
        let one = f.database.reader().query(&f.ctx, |conn| {
            conn.query_row("SELECT 1", [], |row| row.get::<_, i64>(0)).sql("one")
        });
        assert_eq!(one.await.unwrap(), 1);
        assert_eq!(Arc::strong_count(probe), 1);
    };
    assert!(steps::drop_at_each(world, work, left).await.steps > 1);
}

#[linchpin_testing::test]
async fn a_query_that_is_dropped_while_it_runs_is_stopped() {
    struct World {
        f: Fixture,
        ctx: Arc<Child>,
        begin: Mutex<Option<oneshot::Sender<()>>>,
        _later: Task<()>,
    }

    let world = async || {
        let f = fixture_with(Options::default().readers(1));
        let (begin, begun) = oneshot::channel::<()>();
        let ctx = Arc::new(f.ctx.child());
        let ends = ctx.clone();
        // The query would run for ever; its context ends once it has begun.
        let later = task::spawn("later", async move {
            if begun.await.is_ok() {
                ends.cancel("enough");
            }
        });
        World { f, ctx, begin: Mutex::new(Some(begin)), _later: later }
    };
    let work = async |world: &World| {
        let begin = world.begin.lock().unwrap().take().expect("one a world");
        let query = world.f.database.reader().query(&world.ctx, move |conn| {
            begin.send(()).ok();
            conn.query_row(ENDLESS, [], |row| row.get::<_, i64>(0)).sql("endless")
        });
        query.await.unwrap_err();
    };
    let left = async |world: &World| {
        let one = world.f.database.reader().query(&world.f.ctx, |conn| {
            conn.query_row("SELECT 1", [], |row| row.get::<_, i64>(0)).sql("one")
        });
        assert_eq!(one.await.unwrap(), 1);
    };
    assert!(steps::drop_at_each(world, work, left).await.steps > 1);
}

#[linchpin_testing::test]
async fn a_close_that_is_dropped_can_be_called_again() {
    let world = async || {
        let f = fixture();
        f.submit(|tx| insert(tx, 1)).await.unwrap();
        f
    };
    let left = async |f: &Fixture| {
        f.database.close(&f.ctx).await.unwrap();
        // The lock is gone with the last connection, and what was committed is there.
        drop(open(&f.path, Options::default()));
        assert_eq!(f.keys(), [(1, 1)]);
    };
    let report =
        steps::drop_at_each(world, async |f| f.database.close(&f.ctx).await.unwrap(), left).await;
    assert!(report.steps > 1, "{report:?}");
}
