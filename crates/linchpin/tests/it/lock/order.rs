//! Orders that close a circle, and those that do not.

use std::sync::Barrier;
use std::thread;

use linchpin::sync::lock::{Access, Collector, both};
use linchpin::sync::{Mutex, RwLock};

use super::{circle, mistakes, only, panic_of};

#[test]
fn two_orders_are_told_at_the_second_with_all_four_lines() {
    let (a, b) = (Mutex::new('a'), Mutex::new('b'));
    let told = Collector::new();
    let first = line!() + 1;
    let (guard_a, guard_b) = (a.lock(), b.lock());
    drop((guard_a, guard_b));
    assert!(mistakes(&told).is_empty());

    let second = line!() + 1;
    let guard_b = b.lock();
    let guard_a = a.lock();
    assert_eq!((*guard_a, *guard_b), ('a', 'b'), "telling takes nothing away");
    let report = only(&told);
    let [closing, known] = circle(&report) else { panic!("{report}") };
    assert_eq!([closing.held.site.line(), closing.then.site.line()], [second, second + 1]);
    assert_eq!([known.held.site.line(), known.then.site.line()], [first, first]);
    assert_eq!([known.held.made.line(), known.then.made.line()], [first - 3; 2]);
    assert!(known.held.made.column() < known.then.made.column());
    assert_eq!((known.held.number, closing.held.number), (closing.then.number, known.then.number));
    assert!(closing.thread.contains("two_orders"), "{}", closing.thread);
}

#[test]
fn an_inversion_is_told_once() {
    let (a, b) = (Mutex::new(()), Mutex::new(()));
    let told = Collector::new();
    drop((a.lock(), b.lock()));
    for _ in 0..3 {
        drop((b.lock(), a.lock()));
    }
    only(&told);
    // Another line takes them the same wrong way: that is known.
    drop((b.lock(), a.lock()));
    assert!(mistakes(&told).is_empty());
}

#[test]
fn a_circle_of_three_is_told_with_every_order_of_it() {
    let [a, b, c] =
        [Mutex::named("three.a", ()), Mutex::named("three.b", ()), Mutex::named("three.c", ())];
    let told = Collector::new();
    for (held, then) in [(&a, &b), (&b, &c), (&c, &a)] {
        drop((held.lock(), then.lock()));
    }
    let report = only(&told);
    let names: Vec<_> =
        circle(&report).iter().map(|order| (order.held.name, order.then.name)).collect();
    let step = |held, then| (Some(held), Some(then));
    assert_eq!(
        names,
        [step("three.c", "three.a"), step("three.a", "three.b"), step("three.b", "three.c")]
    );
}

#[test]
fn every_lock_that_is_held_counts_and_not_only_the_last() {
    let [a, b, c] =
        [Mutex::named("all.a", ()), Mutex::named("all.b", ()), Mutex::named("all.c", ())];
    let told = Collector::new();
    drop((a.lock(), b.try_lock(), c.lock()));
    drop((c.lock(), a.lock()));
    only(&told);
}

#[test]
fn the_order_of_giving_back_does_not_matter() {
    let [a, b, c] =
        [Mutex::named("back.a", ()), Mutex::named("back.b", ()), Mutex::named("back.c", ())];
    let told = Collector::new();
    let (first, second) = (a.lock(), b.try_lock().unwrap());
    drop(first);
    let third = c.lock();
    drop(second);
    // Only `c` is held now.
    drop(a.lock());
    drop(third);
    assert!(mistakes(&told).is_empty());
    // No order joined `a` and `c` but the last.
    drop((a.lock(), c.lock()));
    only(&told);
}

#[test]
fn between_kinds_it_does_not_matter_which_locks_it_was() {
    struct Shop {
        stock: Mutex<()>,
        till: Mutex<()>,
    }
    let shop = || Shop { stock: Mutex::new(()), till: Mutex::new(()) };
    let told = Collector::new();
    let here = shop();
    drop((here.stock.lock(), here.till.lock()));
    drop(here);
    let there = shop();
    drop((there.till.lock(), there.stock.lock()));
    only(&told);
}

#[test]
fn within_a_kind_each_lock_counts_for_itself() {
    let stripes: Vec<Mutex<()>> = (0..8).map(|_| Mutex::new(())).collect();
    let told = Collector::new();
    // As they lie, and every other one the other way round.
    drop(stripes.iter().map(Mutex::lock).collect::<Vec<_>>());
    drop(stripes.iter().step_by(2).map(Mutex::lock).collect::<Vec<_>>());
    let others: Vec<Mutex<()>> = (0..8).map(|_| Mutex::new(())).collect();
    drop(others.iter().rev().map(Mutex::lock).collect::<Vec<_>>());
    assert!(mistakes(&told).is_empty());
    drop((stripes[5].lock(), stripes[3].lock()));
    let report = only(&told);
    let [closing, known] = circle(&report) else { panic!("{report}") };
    assert_eq!((closing.held.number, closing.then.number), (known.then.number, known.held.number));
}

#[test]
fn a_constructor_that_is_handed_on_makes_no_kind() {
    let told = Collector::new();
    let [a, b] = [(); 2].map(Mutex::new);
    let here = Mutex::new(());
    drop((a.lock(), here.lock(), b.lock()));
    drop((b.lock(), Mutex::<()>::default().lock()));
    assert!(mistakes(&told).is_empty(), "it would be, if both were of one kind");
    drop((b.lock(), a.lock()));
    let text = only(&told).to_string();
    assert!(text.contains(" takes lock #") && text.contains(", holding lock #"), "{text}");
    drop((b.lock(), here.lock()));
    only(&told);
}

#[test]
fn one_name_makes_one_kind() {
    let [a, b, c] =
        [Mutex::named("kind.a", 1), Mutex::named("kind.b", 2), Mutex::named("kind.a", 3)];
    let told = Collector::new();
    drop((a.lock(), b.lock()));
    drop((b.lock(), c.lock()));
    only(&told);
    drop((a.lock(), c.lock()));
    assert!(mistakes(&told).is_empty());
}

#[test]
fn a_try_does_not_wait_and_what_is_taken_under_it_counts() {
    let (a, b) = (Mutex::new(()), Mutex::new(()));
    let told = Collector::new();
    drop((a.lock(), b.try_lock().unwrap()));
    drop((b.lock(), a.lock()));
    assert!(mistakes(&told).is_empty(), "the first took `b` without waiting");
    drop((a.try_lock().unwrap(), b.lock()));
    only(&told);

    let (a, b) = (RwLock::new(()), RwLock::new(()));
    drop((a.write(), b.try_read().unwrap()));
    drop((a.read(), b.try_write().unwrap()));
    drop((b.read(), a.read()));
    assert!(mistakes(&told).is_empty());
}

#[test]
fn reads_in_two_orders_are_told_since_a_writer_may_wait_for_each() {
    let (a, b) = (RwLock::new(()), RwLock::new(()));
    let told = Collector::new();
    drop((a.read(), b.read()));
    drop((b.read(), a.read()));
    let report = only(&told);
    let accesses = circle(&report).iter().map(|order| [order.held.access, order.then.access]);
    assert!(accesses.flatten().all(|access| access == Access::Read));
    assert!(report.to_string().contains(" reads the lock of "), "{report}");
}

#[test]
fn a_mutex_and_an_rwlock_are_in_one_circle() {
    let (mutex, rwlock) = (Mutex::new(()), RwLock::new(()));
    let told = Collector::new();
    drop((mutex.lock(), rwlock.write()));
    drop((rwlock.read(), mutex.lock()));
    let text = only(&told).to_string();
    assert!(text.contains("taken to read at") && text.contains(" writes the lock of "), "{text}");
}

#[test]
fn both_take_their_locks_in_one_order_whichever_is_named_first() {
    let (told, accounts) = (Collector::new(), [100, 100].map(Mutex::new));
    let [left, right] = &accounts;
    *left.lock() = 99;
    let (second, first) = both(right, left);
    assert_eq!((*first, *second), (99, 100));
    drop((first, second));
    let start = Barrier::new(2);
    let transfer = |from: &Mutex<i32>, to: &Mutex<i32>| {
        let told = Collector::new();
        start.wait();
        for _ in 0..1_000 {
            let (mut from, mut to) = both(from, to);
            *from -= 1;
            *to += 2;
        }
        assert!(mistakes(&told).is_empty());
    };
    thread::scope(|scope| {
        scope.spawn(|| transfer(left, right));
        scope.spawn(|| transfer(right, left));
    });
    assert_eq!(accounts.each_ref().map(|account| *account.lock()), [1_099, 1_100]);
    // By hand the wrong way round it is told, though only `both` took them before.
    drop((accounts[1].lock(), accounts[0].lock()));
    only(&told);
    assert_eq!(panic_of(|| drop(both(&accounts[0], &accounts[0]))), "both are one lock");
}

#[test]
fn both_may_take_locks_of_two_kinds() {
    let (a, b) = (Mutex::new(()), Mutex::new(()));
    let told = Collector::new();
    drop(both(&a, &b));
    drop(both(&b, &a));
    // Two more of the same kinds, which may lie the other way round.
    let pair =
        |first: bool| if first { Mutex::named("two.a", ()) } else { Mutex::named("two.b", ()) };
    for order in [[true, false], [false, true]] {
        let [first, second] = order.map(pair);
        drop(both(&first, &second));
    }
    assert!(mistakes(&told).is_empty());
}

#[test]
fn threads_that_keep_one_order_are_not_told_and_one_that_does_not_is_told_once() {
    const THREADS: usize = 8;
    let locks: Vec<Mutex<usize>> = (0..6).map(Mutex::new).collect();
    let start = Barrier::new(THREADS);
    let ascending = |seed: usize| {
        let (told, mut random) = (Collector::new(), fastrand::Rng::with_seed(seed as u64));
        start.wait();
        for _ in 0..2_000 {
            let guards: Vec<_> = locks.iter().filter(|_| random.bool()).map(Mutex::lock).collect();
            drop(guards);
        }
        assert!(mistakes(&told).is_empty());
    };
    thread::scope(|scope| {
        for seed in 0..THREADS {
            scope.spawn(move || ascending(seed));
        }
    });
    let told: usize = thread::scope(|scope| {
        let inverted = || {
            let told = Collector::new();
            start.wait();
            // They wait for nobody: the others keep this order, too.
            drop((locks[4].lock(), locks[2].lock()));
            mistakes(&told).len()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(inverted)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(told, 1);
}
