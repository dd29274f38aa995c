//! ABBA: two threads take two locks, each the other way round, and each waits for what the other holds.
#![cfg(debug_assertions)]

use std::sync::Barrier;
use std::thread;

use linchpin::sync::Mutex;
use linchpin::sync::lock::{Collector, Report, both};

/// Two locks of a service.
struct Books {
    ledger: Mutex<Vec<i64>>,
    audit: Mutex<usize>,
}

impl Books {
    fn new() -> Self {
        Self { ledger: Mutex::named("ledger", Vec::new()), audit: Mutex::named("audit", 0) }
    }

    fn post(&self, amount: i64) {
        let mut ledger = self.ledger.lock();
        *self.audit.lock() += 1;
        ledger.push(amount);
    }

    /// The mistake: the other way round.
    fn verify(&self) -> bool {
        let audit = self.audit.lock();
        *audit == self.ledger.lock().len()
    }

    /// Mended: the order of `post`.
    fn verify_in_order(&self) -> bool {
        let ledger = self.ledger.lock();
        *self.audit.lock() == ledger.len()
    }
}

#[test]
fn two_orders_of_two_locks_are_told_before_they_meet() {
    // The program that fails: each has one, and neither gets the other. With `lock` both would wait for ever.
    let (books, met) = (Books::new(), Barrier::new(2));
    let stuck = thread::scope(|scope| {
        let poster = scope.spawn(|| {
            let _ledger = books.ledger.lock();
            met.wait();
            let stuck = books.audit.try_lock().is_none();
            met.wait();
            stuck
        });
        let verifier = scope.spawn(|| {
            let _audit = books.audit.lock();
            met.wait();
            let stuck = books.ledger.try_lock().is_none();
            met.wait();
            stuck
        });
        poster.join().unwrap() && verifier.join().unwrap()
    });
    assert!(stuck);

    // The tool: one after the other, on one thread, where nothing can go wrong yet, is enough to tell.
    let told = Collector::new();
    books.post(7);
    assert!(books.verify());
    let reports = told.take();
    let [Report::Inversion(orders)] = &reports[..] else { panic!("{reports:#?}") };
    let names: Vec<_> = orders.iter().map(|order| (order.held.name, order.then.name)).collect();
    let (ledger, audit) = (Some("ledger"), Some("audit"));
    assert_eq!(names, [(audit, ledger), (ledger, audit)]);
    assert!(orders.iter().all(|order| order.then.site.file().ends_with("abba.rs")));
}

#[test]
fn one_order_everywhere_is_told_of_nobody() {
    let (ledger, audit) = (Mutex::new(Vec::new()), Mutex::new(0));
    let (books, told) = (Books { ledger, audit }, Collector::new());
    books.post(7);
    assert!(books.verify_in_order());
    // Two of a kind, of which now this and now that is named first.
    let accounts = [10, 0].map(Mutex::new);
    for (from, to) in [(0, 1), (1, 0)] {
        let (mut from, mut to) = both(&accounts[from], &accounts[to]);
        *from -= 3;
        *to += 3;
    }
    assert!(told.take().is_empty());
}
