//! Panics: what a boundary makes of one, and what the hook sees of it.

use std::cell::Cell;
use std::io::{self, Write};
use std::panic::{catch_unwind, panic_any, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::error::{Panicked, catch, catch_async, panic_hook};
use linchpin::task::{self, Tracker};
use linchpin::{Error, Kind};
use tokio::sync::oneshot;
use tracing::Level;

use crate::recorder::Recorder;

thread_local! {
    /// How often the hook below ours ran on this thread.
    static BELOW: Cell<u32> = const { Cell::new(0) };
}

/// Installs the hook, twice, above one that counts; returns the counter of panics.
pub(crate) fn hooked() -> &'static AtomicU64 {
    static COUNT: LazyLock<Arc<AtomicU64>> = LazyLock::new(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            BELOW.set(BELOW.get() + 1);
            before(info);
        }));
        let count = Arc::new(AtomicU64::new(0));
        let recorder = Recorder(|key: &metrics::Key| {
            assert_eq!(key.name(), "linchpin_panics_total");
            count.clone()
        });
        metrics::with_local_recorder(&recorder, || {
            panic_hook::install();
            panic_hook::install();
        });
        count
    });
    &COUNT
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A second listener, for good: tracing asks a single one what it wants by way of whichever thread it finds itself on, and
/// then a line may be taken for one that nobody wants.
static OTHER: LazyLock<tracing::Dispatch> = LazyLock::new(|| {
    let all = tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(io::sink);
    tracing::Dispatch::new(all.finish())
});

/// What `work` logs on this thread, from `INFO` up.
pub(crate) fn logged(work: impl FnOnce()) -> Vec<String> {
    logged_from(Level::INFO, work)
}

/// The same from `level` up.
pub(crate) fn logged_from(level: Level, work: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .with_max_level(level)
        .without_time()
        .finish();
    LazyLock::force(&OTHER);
    tracing::subscriber::with_default(subscriber, work);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn panicked(error: &Error) -> &Panicked {
    error.find().expect("a panic")
}

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A value whose drop panics.
pub(crate) struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the bomb");
    }
}

// ===== the boundary =====

#[test]
fn a_panic_becomes_an_internal_error_that_tells_clients_nothing() {
    let error = catch(|| -> u8 { panic!("secret {}", 1) }).unwrap_err();
    assert_eq!((error.kind(), error.public()), (Kind::Internal, Kind::Internal.text()));
    assert_eq!(panicked(&error).text(), "secret 1");
    assert!(error.report().to_string().ends_with("secret 1"));
    assert_eq!(catch(|| 7).unwrap(), 7);
}

#[test]
fn a_payload_of_any_type_is_caught_and_given_to_the_first_who_asks() {
    for (error, text) in [
        (catch(|| panic!("a literal")).unwrap_err(), "a literal"),
        (catch(|| panic_any("owned".to_owned())).unwrap_err(), "owned"),
        (catch(|| panic_any(7_u8)).unwrap_err(), "(a panic without a text)"),
    ] {
        assert_eq!(panicked(&error).text(), text);
    }
    let error = catch(|| panic_any(7_u8)).unwrap_err();
    let other = error.clone();
    assert_eq!(*panicked(&error).take_payload().unwrap().downcast::<u8>().unwrap(), 7);
    assert!(panicked(&other).take_payload().is_none());
}

#[test]
fn a_payload_that_panics_when_it_is_dropped_harms_nobody() {
    struct Again;
    impl Drop for Again {
        fn drop(&mut self) {
            panic_any(Bomb);
        }
    }
    drop(catch(|| panic_any(Bomb)).unwrap_err());
    drop(catch(|| panic_any(Again)).unwrap_err());
}

#[test]
fn a_result_inside_is_taken_out_by_the_question_mark() {
    fn both(text: &str) -> linchpin::Result<u8> {
        catch(|| text.parse::<u8>().map_err(|cause| Error::new(Kind::InvalidArgument, cause)))?
    }
    assert_eq!(both("7").unwrap(), 7);
    assert_eq!(both("x").unwrap_err().kind(), Kind::InvalidArgument);
}

#[tokio::test]
async fn a_future_that_panics_at_any_poll_becomes_an_error() {
    let error = catch_async(async { panic!("at once") }).await.map(|()| 0).unwrap_err();
    assert_eq!(panicked(&error).text(), "at once");
    let later = async {
        tokio::task::yield_now().await;
        panic!("later")
    };
    assert_eq!(panicked(&catch_async(later).await.map(|()| 0).unwrap_err()).text(), "later");
    let fine = async {
        tokio::task::yield_now().await;
        7
    };
    assert_eq!(catch_async(fine).await.unwrap(), 7);
}

#[tokio::test]
async fn a_panic_in_the_drop_of_a_future_is_caught_and_joined_to_the_first() {
    struct Work {
        panics: bool,
        _bomb: Bomb,
    }
    impl Future for Work {
        type Output = ();
        fn poll(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<()> {
            assert!(!self.panics, "in the poll");
            std::task::Poll::Ready(())
        }
    }
    let error = catch_async(Work { panics: false, _bomb: Bomb }).await.unwrap_err();
    assert_eq!(panicked(&error).text(), "the bomb");
    let error = catch_async(Work { panics: true, _bomb: Bomb }).await.unwrap_err();
    let texts: Vec<&str> = error.joined().iter().map(|error| panicked(error).text()).collect();
    assert_eq!(texts, ["in the poll", "the bomb"]);
}

#[tokio::test]
async fn dropping_the_boundary_drops_the_work() {
    let (hold, held) = oneshot::channel::<()>();
    let mut boundary = Box::pin(catch_async(async move {
        let _hold = hold;
        std::future::pending::<()>().await;
    }));
    assert!((&mut boundary).now_or_never().is_none());
    drop(boundary);
    assert!(held.await.is_err());
}

// ===== the hook =====

#[test]
fn the_hook_tells_where_and_on_which_thread_it_was_raised() {
    hooked();
    let line = line!() + 1;
    let error = catch(|| panic!("here")).map(|()| 0).unwrap_err();
    let found = panicked(&error);
    let location = found.location().expect("the hook saw it");
    assert!(location.contains(&format!("panic.rs:{line}:")), "{location}");
    assert_eq!(found.thread(), std::thread::current().name());
    assert_eq!(found.to_string(), format!("panicked at {location}: here"));

    let empty: [u8; 0] = [];
    let line = line!() + 1;
    let error = catch(|| *empty.first().expect("a value")).unwrap_err();
    assert!(panicked(&error).location().unwrap().contains(&format!("panic.rs:{line}:")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hook_tells_it_of_futures_that_move_between_threads() {
    hooked();
    for _ in 0..20 {
        let work = async {
            tokio::time::sleep(Duration::from_micros(1)).await;
            panic!("moved")
        };
        let task = task::spawn("moving", catch_async(work));
        let error = task.join().await.map(|()| 0).unwrap_err();
        assert!(panicked(&error).location().unwrap().contains("panic.rs:"));
    }
}

#[test]
fn a_panic_is_never_given_the_place_of_another() {
    hooked();
    // Raised again: no hook sees that.
    let error = catch(|| resume_unwind(Box::new("again"))).map(|()| 0).unwrap_err();
    assert_eq!((panicked(&error).location(), panicked(&error).thread()), (None, None));
    // Caught by somebody else, inside the boundary and before it.
    drop(catch_unwind(|| panic!("another")));
    let error = catch(|| {
        drop(catch_unwind(|| panic!("another")));
        resume_unwind(Box::new("again"))
    });
    assert_eq!(panicked(&error.map(|()| 0).unwrap_err()).location(), None);
    // One that somebody else caught and raised again inside of the boundary is the same.
    let error = catch(|| {
        let caught = catch_unwind(|| panic!("the same")).unwrap_err();
        resume_unwind(caught)
    });
    assert!(panicked(&error.map(|()| 0).unwrap_err()).location().is_some());
}

#[test]
fn a_boundary_that_a_panic_passes_on_its_way_out_does_not_hide_where_it_began() {
    struct Cleanup;
    impl Drop for Cleanup {
        fn drop(&mut self) {
            // The last thing that unwinding runs, with a boundary of its own, twice.
            catch(|| 7).unwrap();
            drop(catch(|| resume_unwind(Box::new("inner"))).map(|()| 0).unwrap_err());
        }
    }
    hooked();
    let line = line!() + 3;
    let error = catch(|| {
        let _cleanup = Cleanup;
        panic!("outer")
    });
    let error = error.map(|()| 0).unwrap_err();
    assert!(panicked(&error).location().unwrap().contains(&format!("panic.rs:{line}:")));
}

#[test]
fn a_panic_outside_of_any_boundary_is_logged_once_with_its_place_and_span() {
    hooked();
    let line = line!() + 4;
    let lines = logged(|| {
        on_a_runtime(async {
            let span = tracing::info_span!("request", id = 7);
            let work = async { panic!("nobody awaits") };
            let task = span.in_scope(|| task::spawn("left", work));
            while !task.is_finished() {
                tokio::task::yield_now().await;
            }
            drop::<task::Task<()>>(task);
        });
    });
    let [only] = &lines[..] else { panic!("{lines:?}") };
    for part in ["ERROR", "nobody awaits", &format!("panic.rs:{line}:"), "request{id=7}"] {
        assert!(only.contains(part), "{part} in {only}");
    }
}

#[test]
fn a_panic_inside_of_a_boundary_is_logged_by_nobody_but_the_one_who_handles_it() {
    hooked();
    let lines = logged(|| {
        let error = catch(|| panic!("handled")).map(|()| 0).unwrap_err();
        tracing::warn!(error = %error.report(), "tried and failed");
    });
    let [only] = &lines[..] else { panic!("{lines:?}") };
    assert!(only.contains("tried and failed") && only.contains("handled"), "{only}");

    let lines = logged(|| {
        on_a_runtime(async {
            let tracker = Tracker::new("test");
            tracker.spawn("one of many", async { panic!("logged by its owner") });
            tracker.close();
            tracker.wait().await;
        });
    });
    let [only] = &lines[..] else { panic!("{lines:?}") };
    for part in ["one of many", "logged by its owner", "panic.rs:"] {
        assert!(only.contains(part), "{part} in {only}");
    }
}

#[test]
fn the_hook_counts_and_calls_the_one_before_it_and_is_installed_once() {
    let count = hooked();
    let (counted, below) = (count.load(Ordering::SeqCst), BELOW.get());
    drop(catch(|| panic!("counted")).map(|()| 0));
    drop(catch_unwind(|| panic!("counted")));
    // Other tests panic at the same time, on other threads.
    assert!(count.load(Ordering::SeqCst) >= counted + 2);
    assert_eq!(BELOW.get(), below + 2);
    let lines = logged(|| drop(catch_unwind(|| panic!("once"))));
    assert_eq!(lines.len(), 1, "{lines:?}");
}
