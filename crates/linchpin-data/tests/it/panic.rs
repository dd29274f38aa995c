//! Panics of what a database is given to run, to keep and to drop.

use std::io::{self, Write};
use std::sync::{LazyLock, Mutex};

use linchpin::error::Panicked;
use linchpin::{Error, Kind, Result};
use linchpin_data::sqlite::Options;

use crate::support::{Bomb, Started, fixture, fixture_with, insert, panic_quietly, queued};

/// All that is logged in this process from the first look on, on whatever thread.
static LOG: LazyLock<&'static Mutex<Vec<u8>>> = LazyLock::new(|| {
    struct Lines(&'static Mutex<Vec<u8>>);
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let log: &'static Mutex<Vec<u8>> = Box::leak(Box::default());
    tracing_subscriber::fmt().with_writer(move || Lines(log)).with_ansi(false).init();
    log
});

/// The lines of the log that have `text` in them.
fn logged(text: &str) -> Vec<String> {
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

#[linchpin_testing::test]
async fn a_panicking_hook_harms_nobody() {
    assert_eq!(logged("the hook of this test").len(), 0);
    let f = fixture();
    f.submit(|tx| {
        tx.after_commit(|| std::panic::resume_unwind(Box::new("the hook of this test")));
        insert(tx, 1)
    })
    .await
    .unwrap();
    f.submit(|tx| insert(tx, 2)).await.unwrap();
    assert_eq!(logged("the hook of this test").len(), 1, "nobody else hears of it");
}

#[linchpin_testing::test]
async fn a_panic_is_logged_if_its_submitter_is_gone_and_not_if_it_waits() {
    assert_eq!(logged("of this submission").len(), 0);
    let f = fixture();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (started, start) = std::sync::mpsc::channel();
    let mut left = f.submit(move |_| -> Result<()> {
        started.send(()).unwrap();
        assert!(released.recv().is_err());
        std::panic::resume_unwind(Box::new("left: of this submission"))
    });
    queued(&mut left).await;
    start.recv().unwrap();
    drop(left);
    drop(release);
    let waits = f.submit(|_| -> Result<()> {
        std::panic::resume_unwind(Box::new("kept: of this submission"))
    });
    waits.await.unwrap_err();
    let [only] = &logged("of this submission")[..] else { panic!("not once") };
    assert!(only.contains("left: "), "{only}");
}

#[linchpin_testing::test]
async fn what_a_submission_drops_may_panic() {
    let f = fixture();
    // In the closure, and in its hook.
    let (captured, mut hooked) = (Bomb, Some(Bomb));
    f.submit(move |tx| {
        let (_captured, bomb) = (&captured, hooked.take());
        tx.after_commit(move || drop(bomb));
        insert(tx, 1)
    })
    .await
    .unwrap();
    // In a hook that does not run.
    let refused = f.submit(|tx| {
        let bomb = Bomb;
        tx.after_commit(move || drop(bomb));
        Err::<(), _>(Error::new(Kind::PermissionDenied, "no"))
    });
    assert_eq!(refused.await.unwrap_err().kind(), Kind::PermissionDenied);
    // In a submission that is withdrawn, and in its context, of which it has the last clone.
    let blocker = f.block().await;
    let ctx = f.ctx.with_value(Bomb);
    let captured = Bomb;
    let mut withdrawn = f.submit_in(&ctx, move |tx| {
        let _captured = &captured;
        insert(tx, 2)
    });
    queued(&mut withdrawn).await;
    drop((ctx, withdrawn));
    blocker.release().await;
    // As a result that nobody waits for any more.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (started, start) = std::sync::mpsc::channel();
    let mut left = f.submit(move |_| {
        started.send(()).unwrap();
        assert!(released.recv().is_err());
        Ok(Bomb)
    });
    queued(&mut left).await;
    start.recv().unwrap();
    drop(left);
    drop(release);

    f.submit(|tx| insert(tx, 3)).await.unwrap();
    assert_eq!(f.keys(), [(1, 1), (3, 1)]);
}

#[linchpin_testing::test]
async fn what_a_query_drops_may_panic() {
    let f = fixture_with(Options::default().readers(1));
    // In a closure that never runs: another query holds the one thread until its future is gone.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let mut holding: Started<()> = {
        let (reader, ctx) = (f.database.reader().clone(), f.ctx.clone());
        Box::pin(async move {
            let hold = move |_: &rusqlite::Connection| {
                assert!(released.recv().is_err());
                Ok(())
            };
            reader.query(&ctx, hold).await
        })
    };
    queued(&mut holding).await;
    let mut left: Started<()> = {
        let (reader, ctx) = (f.database.reader().clone(), f.ctx.clone());
        let bomb = Bomb;
        Box::pin(async move {
            let keep = move |_: &rusqlite::Connection| {
                let _ = &bomb;
                Ok(())
            };
            reader.query(&ctx, keep).await
        })
    };
    queued(&mut left).await;
    drop(left);
    drop(release);
    holding.await.unwrap();
    f.database.reader().query(&f.ctx, |_| Ok(())).await.unwrap();
}

#[linchpin_testing::test]
async fn a_panic_is_found_in_the_error_and_says_what_it_said() {
    let f = fixture();
    let query = f.database.reader().query(&f.ctx, |_| -> Result<()> { panic_quietly() });
    let submission = f.submit(|_| -> Result<()> { panic_quietly() });
    for (error, doing) in [
        (query.await.unwrap_err(), "run a query"),
        (submission.await.unwrap_err(), "run a submission"),
    ] {
        assert_eq!((error.kind(), error.to_string()), (Kind::Internal, doing.to_owned()));
        assert_eq!(error.find::<Panicked>().unwrap().text(), "planned");
    }
}
