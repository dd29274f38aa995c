//! Object pools: what comes back, what is kept and what is not, who is told.

mod buffers;
mod hooks;
mod parity;
mod random;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;

use linchpin::sync::object_pool::{BufferOptions, BufferPool, ObjectPool, Options};

use crate::memory::{has_run_alone, resident};

/// Numbers from zero, each made once.
fn numbers(options: Options<u64>) -> ObjectPool<u64> {
    let next = AtomicU64::new(0);
    ObjectPool::new(move || next.fetch_add(1, Ordering::Relaxed), options).unwrap()
}

/// That many of which nothing is kept for single threads, so that the caps are exact.
fn shared(max_kept: usize) -> ObjectPool<u64> {
    numbers(Options::default().per_thread(0).max_kept(max_kept))
}

#[test]
fn what_comes_back_is_used_again_and_what_is_out_is_not() {
    let pool = numbers(Options::default());
    let (one, two) = (pool.take(), pool.take());
    assert_eq!((*one, *two), (0, 1));
    drop(one);
    let three = pool.take();
    assert_eq!(*three, 0);
    let stats = pool.stats();
    assert_eq!((stats.out, stats.kept, stats.made, stats.reused), (2, 0, 2, 1));
    drop((two, three));
    let stats = pool.stats();
    assert_eq!((stats.out, stats.kept, stats.made, stats.discarded), (0, 2, 2, 0));
}

#[test]
fn no_more_is_kept_than_may_be() {
    let pool = shared(2);
    drop([(); 5].map(|()| pool.take()));
    let stats = pool.stats();
    assert_eq!((stats.kept, stats.discarded, stats.made), (2, 3, 5));

    let options = Options::<Vec<u8>>::default().per_thread(0).max_bytes(100, Vec::capacity);
    let pool = ObjectPool::new(|| Vec::with_capacity(40), options).unwrap();
    drop([(); 5].map(|()| pool.take()));
    assert_eq!((pool.stats().kept, pool.stats().discarded), (2, 3));
    // One leaves and one of the same size may stay again.
    drop(pool.take());
    assert_eq!((pool.stats().kept, pool.stats().discarded), (2, 3));
}

#[test]
fn more_for_a_thread_than_can_be_is_refused() {
    let most = Options::<String>::MOST_PER_THREAD;
    assert!(ObjectPool::new(String::new, Options::default().per_thread(most)).is_ok());
    let why = ObjectPool::new(String::new, Options::default().per_thread(most + 1)).unwrap_err();
    assert_eq!(
        why.to_string(),
        "bad options for ObjectPool: 65537 objects for each thread; the most is 65536"
    );
}

/// Takes so many in a thread of its own, and gives them back.
fn elsewhere(pool: &ObjectPool<u64>, count: usize) {
    thread::scope(|scope| {
        scope.spawn(|| drop((0..count).map(|_| pool.take()).collect::<Vec<_>>())).join()
    })
    .unwrap();
}

#[test]
fn a_thread_keeps_a_few_and_carries_the_rest_to_all() {
    if has_run_alone() {
        return;
    }
    let pool = numbers(Options::default().per_thread(4).max_kept(100));
    drop([(); 4].map(|()| pool.take()));
    assert_eq!((pool.stats().made, pool.stats().kept), (4, 4));
    // Another finds none of the four, and makes its own: four stay at its seat.
    elsewhere(&pool, 4);
    assert_eq!((pool.stats().made, pool.stats().kept), (8, 8));
    // The next thread has that seat and those four, and makes six more. It keeps four at most.
    elsewhere(&pool, 10);
    assert_eq!((pool.stats().made, pool.stats().kept), (14, 14));
    // So all but four are for this thread, with the four it had.
    let all: Vec<_> = (0..10).map(|_| pool.take()).collect();
    assert_eq!(pool.stats().made, 14);
    drop(all);
}

#[test]
fn what_another_thread_keeps_is_cleared_when_somebody_comes_to_its_seat() {
    if has_run_alone() {
        return;
    }
    let pool = numbers(Options::default());
    // This thread has a seat of its own from now on.
    drop(pool.take());
    elsewhere(&pool, 3);
    pool.clear();
    assert_eq!((pool.stats().kept, pool.stats().discarded), (3, 1));
    elsewhere(&pool, 1);
    assert_eq!((pool.stats().made, pool.stats().kept, pool.stats().discarded), (5, 1, 4));
}

#[test]
fn what_one_thread_takes_and_another_gives_goes_round() {
    let pool = shared(16);
    for _ in 0..100 {
        let object = pool.take_owned();
        thread::spawn(move || drop(object)).join().unwrap();
    }
    assert_eq!((pool.stats().made, pool.stats().reused), (1, 99));
}

#[test]
fn more_threads_than_seats_share_what_is_for_all() {
    const THREADS: usize = 300;
    let pool = numbers(Options::default().max_kept(THREADS));
    let all_here = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                all_here.wait();
                let object = pool.take();
                all_here.wait();
                drop(object);
                all_here.wait();
            });
        }
    });
    let stats = pool.stats();
    assert_eq!((stats.out, stats.kept, stats.made), (0, THREADS as u64, THREADS as u64));
}

#[test]
fn what_is_detached_is_no_leak_and_what_is_given_is_kept() {
    let pool = shared(2);
    let own: u64 = pool.take_owned().detach();
    assert_eq!((own, pool.stats().out, pool.stats().kept), (0, 0, 0));
    pool.give(77);
    assert_eq!((pool.stats().out, pool.stats().kept, pool.stats().made), (0, 1, 2));
    assert_eq!(*pool.take(), 77);
}

#[test]
fn what_is_forgotten_is_seen_to_be_out() {
    let pool = shared(2);
    std::mem::forget(pool.take());
    assert_eq!(pool.stats().out, 1);
    assert_eq!(
        format!("{pool:?}"),
        "ObjectPool { name: \"objects\", stats: Stats { out: 1, kept: 0, made: 1, reused: 0, discarded: 0 }, .. }"
    );
}

#[test]
fn a_clear_drops_what_is_for_all_and_what_this_thread_keeps() {
    let held = Arc::new(());
    let pool = {
        let held = held.clone();
        ObjectPool::new(move || held.clone(), Options::default()).unwrap()
    };
    let out = pool.take();
    drop([(); 40].map(|()| pool.take()));
    assert_eq!(Arc::strong_count(&held), 43);
    pool.clear();
    assert_eq!(Arc::strong_count(&held), 3, "the pool's own, ours, and the one that is out");
    assert_eq!((pool.stats().kept, pool.stats().out), (0, 1));
    drop(out);
    assert_eq!(pool.stats().kept, 1, "it goes on");
    elsewhere_held(&pool);
    drop(pool);
    assert_eq!(Arc::strong_count(&held), 1, "a pool drops all that it keeps");
}

fn elsewhere_held(pool: &ObjectPool<Arc<()>>) {
    thread::scope(|scope| scope.spawn(|| drop([pool.take(), pool.take()])).join()).unwrap();
}

/// A hook may use the very pool that calls it.
#[test]
fn a_hook_may_come_to_its_own_pool() {
    let own: Arc<OnceLock<ObjectPool<u64>>> = Arc::default();
    let options = {
        let own = own.clone();
        let weigh = move |_: &u64| {
            own.get().map_or(0, |pool| {
                drop(pool.take());
                1
            })
        };
        Options::default().per_thread(2).max_bytes(10, weigh)
    };
    let pool = own.get_or_init(|| numbers(options));
    drop([(); 8].map(|()| pool.take()));
    let stats = pool.stats();
    assert_eq!((stats.out, stats.made), (0, stats.kept + stats.discarded));
    pool.clear();
    assert_eq!(pool.stats().kept, 0);
}

#[test]
fn a_guard_is_worth_what_it_guards() {
    let pool = ObjectPool::new(|| vec![1, 2], Options::default()).unwrap();
    let mut owned = pool.take_owned();
    owned.push(3);
    assert_eq!((owned.len(), format!("{owned:?}")), (3, "Pooled([1, 2, 3])".to_owned()));
}

/// A million come and go, and a burst of buffers is ten times what may be kept.
#[test]
fn a_burst_leaves_a_pool_of_buffers_the_memory_it_may_keep() {
    const MOST: usize = 8 << 20;
    // So large that the allocator gives each back as it is freed.
    const PIECE: usize = 256 << 10;
    if has_run_alone() {
        return;
    }
    let buffers = BufferPool::new(BufferOptions::default().max_bytes(MOST)).unwrap();
    let objects = ObjectPool::new(|| [0_u64; 8], Options::default()).unwrap();
    let before = resident();
    for _ in 0..1_000 {
        drop((0..1_000).map(|_| objects.take()).collect::<Vec<_>>());
    }
    let mut burst: Vec<_> = (0..320).map(|_| buffers.take(PIECE)).collect();
    for buffer in &mut burst {
        buffer.resize(PIECE, 1);
    }
    assert!(resident() > before + 10 * MOST);
    drop(burst);
    let grown = resident().saturating_sub(before);
    assert!(grown < MOST + (MOST >> 3), "{grown} bytes");
    assert_eq!(buffers.stats().kept as usize, MOST / PIECE);
    assert_eq!((objects.stats().out, buffers.stats().out), (0, 0));
}
