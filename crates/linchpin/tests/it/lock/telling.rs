//! Where reports go: to the log and the numbers, and a test fails.

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use linchpin::sync::lock::{Collector, MutexGuard};
use linchpin::sync::{Mutex, RwLock};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::{mistakes, only, panic_of};
use crate::recorder::Recorder;

/// Two locks, taken in one order.
fn pair() -> [Mutex<()>; 2] {
    let pair = [(); 2].map(Mutex::new);
    drop((pair[0].lock(), pair[1].lock()));
    pair
}

fn invert([a, b]: &[Mutex<()>; 2]) {
    drop((b.lock(), a.lock()));
}

#[test]
fn a_mistake_fails_the_test_each_time_before_the_lock_is_taken() {
    let pair = pair();
    for _ in 0..2 {
        let text = panic_of(|| invert(&pair));
        assert!(text.starts_with("potential deadlock: these orders close a circle\n  "), "{text}");
        assert!(pair.iter().all(|lock| lock.try_lock().is_some()), "nothing is held");
    }
    let lock = RwLock::new(());
    let _first = lock.read();
    assert!(panic_of(|| lock.read()).starts_with("a thread hangs if a writer comes between"));
}

/// Events, and what to do at each.
struct Log<F>(F);

impl<F: Fn(&Level, &str) + Send + Sync + 'static> Subscriber for Log<F> {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        #[derive(Default)]
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message::default();
        event.record(&mut message);
        (self.0)(event.metadata().level(), &message.0);
    }
}

#[test]
fn a_mistake_is_logged_and_counted_by_its_kind() {
    let (pair, lock) = (pair(), Mutex::new(()));
    let (tell, told) = mpsc::channel();
    let log = Log(move |level: &Level, text: &str| tell.send((*level, text.to_owned())).unwrap());
    let [inversions, relocks, long_holds] = [(); 3].map(|()| Arc::new(AtomicU64::new(0)));
    let counts = Recorder(|key: &metrics::Key| {
        assert_eq!(key.name(), "linchpin_lock_reports_total");
        let kind = key.labels().next().expect("a kind").value();
        Arc::clone(match kind {
            "inversion" => &inversions,
            "relock" => &relocks,
            "long_hold" => &long_holds,
            other => panic!("{other} is no kind"),
        })
    });
    let texts = metrics::with_local_recorder(&counts, || {
        tracing::subscriber::with_default(log, || {
            let _held = lock.lock();
            [panic_of(|| invert(&pair)), panic_of(|| lock.lock())]
        })
    });
    // On a busy machine the first lock is also held for long.
    let logged: Vec<_> = told.try_iter().filter(|(level, _)| *level == Level::ERROR).collect();
    assert_eq!(logged, texts.map(|text| (Level::ERROR, text)));
    let counted = [&inversions, &relocks].map(|count| count.load(Ordering::SeqCst));
    assert_eq!(counted, [1, 1]);
}

#[test]
fn a_log_may_use_locks_and_make_mistakes_of_its_own() {
    let (mistaken, of_the_log) = (pair(), pair());
    let log = Log(move |_: &Level, _: &str| invert(&of_the_log));
    let text = tracing::subscriber::with_default(log, || panic_of(|| invert(&mistaken)));
    assert!(text.starts_with("potential deadlock"), "{text}");
}

#[test]
fn a_collector_takes_the_place_of_log_and_panic_on_its_thread_alone() {
    let (outer, [here, inner, elsewhere]) = (Collector::new(), [pair(), pair(), pair()]);
    invert(&here);
    let told = Collector::new();
    invert(&inner);
    only(&told);
    drop(told);
    only(&outer);
    thread::scope(|scope| scope.spawn(|| panic_of(|| invert(&elsewhere))).join().unwrap());
    assert!(mistakes(&outer).is_empty());
}

#[test]
fn a_collector_that_nobody_asked_fails_the_test() {
    let pair = pair();
    let text = panic_of(|| {
        let _told = Collector::new();
        invert(&pair);
    });
    assert!(text.starts_with("locks told what nobody asked for:\npotential deadlock"), "{text}");
}

#[test]
fn a_mistake_in_the_midst_of_a_panic_aborts_nothing() {
    struct Inverts([Mutex<()>; 2]);
    impl Drop for Inverts {
        fn drop(&mut self) {
            invert(&self.0);
        }
    }
    let text = panic_of(|| {
        let _inverts = Inverts(pair());
        panic!("boom");
    });
    assert_eq!(text, "boom");
}

#[test]
fn a_thread_that_is_ending_may_use_locks() {
    static LOCK: Mutex<u32> = Mutex::new(0);
    struct Locks;
    impl Drop for Locks {
        fn drop(&mut self) {
            *LOCK.lock() += 1;
        }
    }
    thread_local! {
        // Made before the list of what the thread holds, and after it: dropped after it, and before.
        static FIRST: Locks = const { Locks };
        static LAST: Locks = const { Locks };
        static GUARD: RefCell<Option<MutexGuard<'static, u32>>> = const { RefCell::new(None) };
    }
    let ends = || {
        FIRST.with(|_| ());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { *LOCK.lock() += 1 });
        LAST.with(|_| ());
    };
    thread::spawn(ends).join().unwrap();
    assert_eq!(*LOCK.lock(), 3);
    // A guard that goes with its thread gives the lock back.
    thread::spawn(|| GUARD.set(Some(LOCK.lock()))).join().unwrap();
    assert_eq!(*LOCK.lock(), 3);
}
