//! Counters and gauges: nothing is lost, whoever counts and whenever the thread ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::thread;

use linchpin::sync::counter::{Counter, Gauge, Reading};

#[test]
fn all_that_was_added_is_in_the_sum() {
    let counter = Counter::new();
    assert_eq!(counter.sum(), 0);
    // More than there are seats, so that some share a cell.
    let start = Barrier::new(300);
    thread::scope(|scope| {
        for _ in 0..300 {
            scope.spawn(|| {
                start.wait();
                (0..100).for_each(|_| counter.add(2));
            });
        }
    });
    assert_eq!(counter.sum(), 60_000);
    assert_eq!(format!("{counter:?}"), "Counter(60000)");
}

#[test]
fn a_thread_that_ends_leaves_what_it_added() {
    static COUNTER: Counter = Counter::new();
    for _ in 0..1000 {
        thread::spawn(|| COUNTER.add(1)).join().unwrap();
    }
    assert_eq!(COUNTER.sum(), 1000);
}

#[test]
fn a_sum_never_goes_back() {
    let counter = Counter::new();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..100_000).for_each(|_| counter.add(1)));
        }
        let mut before = 0;
        while before < 200_000 {
            let now = counter.sum();
            assert!(now >= before);
            before = now;
        }
    });
}

#[test]
fn a_count_in_the_last_breath_of_a_thread_is_counted() {
    static COUNTER: Counter = Counter::new();
    struct Last;
    impl Drop for Last {
        fn drop(&mut self) {
            COUNTER.add(1);
        }
    }
    thread_local!(static LAST: Last = const { Last });
    for early in [true, false] {
        thread::spawn(move || {
            // Destructors run in an order of their own: the seat may be gone already, or not.
            if early {
                LAST.with(|_| ());
                COUNTER.add(1);
            } else {
                COUNTER.add(1);
                LAST.with(|_| ());
            }
        })
        .join()
        .unwrap();
    }
    assert_eq!(COUNTER.sum(), 4);
}

#[test]
fn a_gauge_knows_its_level_and_its_peak() {
    let gauge = Gauge::new();
    let first = gauge.hold(2);
    assert_eq!(gauge.up(3), Reading { level: 5, peak: 5 });
    assert_eq!(gauge.down(3), Reading { level: 2, peak: 5 });
    assert_eq!(gauge.restart(), Reading { level: 2, peak: 5 });
    assert_eq!(gauge.read(), Reading { level: 2, peak: 2 });
    drop(first);
    assert_eq!(gauge.read(), Reading { level: 0, peak: 2 });
}

#[test]
fn a_gauge_goes_neither_below_zero_nor_above_its_width() {
    let gauge = Gauge::new();
    assert!(catch_unwind(AssertUnwindSafe(|| gauge.down(1))).is_err());
    gauge.up(u32::MAX);
    assert!(catch_unwind(AssertUnwindSafe(|| gauge.up(1))).is_err());
    assert_eq!(gauge.read(), Reading { level: u32::MAX, peak: u32::MAX });
}

#[test]
fn a_peak_is_told_to_one_who_asks() {
    let gauge = Gauge::new();
    let peaks: u32 = thread::scope(|scope| {
        let holders =
            [(); 2].map(|()| scope.spawn(|| (0..10_000).for_each(|_| drop(gauge.hold(1)))));
        let mut most = 0;
        while holders.iter().any(|holder| !holder.is_finished()) {
            most = most.max(gauge.restart().peak);
        }
        most
    });
    assert!(peaks <= 2);
    assert_eq!(gauge.read().level, 0);
}
