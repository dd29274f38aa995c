//! A million of each, and the memory is where it was.

use std::process::Command;
use std::{env, fs, thread};

use linchpin::sync::Mutex;
use linchpin::sync::batch::{self, Batch, Batcher};
use linchpin::sync::bus::{Bus, Policy, Subscription};
use linchpin::sync::event::Event;
use linchpin::sync::select::Set;
use linchpin::sync::semaphore::{self, Semaphore};
use linchpin::sync::singleflight;
use linchpin::sync::striped::Map;
use linchpin::sync::watched::Watched;
use linchpin::task::Group;
use linchpin::{Context, Error};
use linchpin_testing::steps;

const MILLION: usize = 1_000_000;
/// What a million of anything that stays would exceed by far: 32 bytes each.
const MARGIN: usize = 32 << 20;
/// So many wait at a time; many more would measure what the allocator keeps of their futures.
const CROWD: usize = 1_000;

/// Whether the test that asks has been run in a process of its own; panics if it failed there.
///
/// Memory is a number of the process, and the tests of this binary share one.
pub(crate) fn has_run_alone() -> bool {
    const ALONE: &str = "LINCHPIN_TEST_ALONE";
    let thread = thread::current();
    // Tests have threads of their names, unless they run one by one: then each is alone.
    let Some(name) = thread.name().filter(|name| *name != "main") else { return false };
    if env::var_os(ALONE).is_some() {
        return false;
    }
    let program = env::current_exe().expect("the binary of this test");
    let run = Command::new(program).args([name, "--exact"]).env(ALONE, "").output().expect("a run");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
    true
}

/// How much `work` has this process grow by, in bytes.
fn growth<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = resident();
    let kept = work();
    (resident().saturating_sub(before), kept)
}

/// What this process holds in memory, in bytes, without the pages of its program, which come as it runs.
pub(crate) fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a size");
    let kibibytes = line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number");
    kibibytes << 10
}

#[test]
fn the_margin_notices_what_stays() {
    if has_run_alone() {
        return;
    }
    let (grown, kept) = growth(|| (0..MILLION).map(|n| Box::new([n; 8])).collect::<Vec<_>>());
    assert!(grown > MARGIN, "{grown} bytes for {} boxes", kept.len());
}

#[test]
fn a_million_children_leave_nothing_in_their_parent() {
    if has_run_alone() {
        return;
    }
    let parent = Context::root().child();
    let (grown, ()) = growth(|| {
        for _ in 0..MILLION {
            let child = parent.child();
            assert!(child.check().is_ok());
        }
    });
    assert!(grown < MARGIN, "{grown} bytes");
}

#[test]
fn a_million_callbacks_and_waits_leave_nothing_in_their_context() {
    if has_run_alone() {
        return;
    }
    let (parent, runtime) = (Context::root().child(), runtime());
    let (grown, ()) = growth(|| {
        runtime.block_on(async {
            for _ in 0..MILLION {
                assert!(parent.after(|| ()).stop());
                parent.run(async {}).await.unwrap();
            }
        });
    });
    assert!(grown < MARGIN, "{grown} bytes");
}

#[test]
fn a_million_waiters_leave_a_semaphore_nothing() {
    if has_run_alone() {
        return;
    }
    let semaphore = Semaphore::new(1, semaphore::Options::default()).unwrap();
    let held = semaphore.try_acquire(1).unwrap();
    let ctx = Context::root();
    let waker = std::task::Waker::noop();
    let mut cx = std::task::Context::from_waker(waker);
    // One waits all the time, so that the line is never empty; the others come in crowds, and go in any order.
    let mut stays = Box::pin(semaphore.acquire(&ctx, 1));
    assert!(stays.as_mut().poll(&mut cx).is_pending());
    let (grown, ()) = growth(|| {
        for round in 0..MILLION / CROWD {
            let mut waits: Vec<_> =
                (0..CROWD).map(|_| Box::pin(semaphore.acquire(&ctx, 1))).collect();
            for wait in &mut waits {
                assert!(wait.as_mut().poll(&mut cx).is_pending());
            }
            assert_eq!(semaphore.waiting(), waits.len() + 1);
            while let Some(wait) = waits.pop() {
                if round % 2 == 0 && waits.len() > 1 {
                    drop(waits.swap_remove(waits.len() / 2));
                }
                drop(wait);
            }
        }
    });
    assert!(grown < MARGIN, "{grown} bytes");
    drop((stays, held));
    assert_eq!((semaphore.available(), semaphore.waiting()), (1, 0));
}

#[test]
fn a_million_waiters_leave_an_event_and_a_value_nothing() {
    if has_run_alone() {
        return;
    }
    let (ctx, event, watched) = (Context::root(), Event::new(), Watched::new(0));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let (grown, ()) = growth(|| {
        for round in 0..MILLION / CROWD {
            let mut waits: Vec<_> = (0..CROWD).map(|_| Box::pin(event.wait(&ctx))).collect();
            assert!(waits.iter_mut().all(|wait| wait.as_mut().poll(&mut cx).is_pending()));
            let mut viewers: Vec<_> = (0..CROWD).map(|_| watched.viewer()).collect();
            let mut changes: Vec<_> =
                viewers.iter_mut().map(|viewer| Box::pin(viewer.changed(&ctx))).collect();
            assert!(changes.iter_mut().all(|change| change.as_mut().poll(&mut cx).is_pending()));
            // They leave by themselves, or are let through.
            if round % 2 == 0 {
                event.set();
                watched.set(round);
                event.reset();
            }
        }
    });
    assert!(grown < MARGIN, "{grown} bytes");
}

#[test]
fn a_million_subscribers_and_topics_leave_a_bus_nothing() {
    if has_run_alone() {
        return;
    }
    let bus = Bus::new();
    // Both are there all the time, and one is always full.
    let topic = bus.topic("stays").unwrap();
    let _full = bus.subscribe("*", Subscription::default().policy(Policy::DropNewest)).unwrap();
    let policies = [Policy::Wait, Policy::DropOldest, Policy::DropNewest, Policy::Disconnect];
    let (grown, ()) = growth(|| {
        for round in 0..MILLION / CROWD {
            let subscribers: Vec<_> = (0..CROWD)
                .map(|n| {
                    let name = ["stays", "comes", "**"][n % 3];
                    let subscription = Subscription::default().policy(policies[n % 4]);
                    bus.subscribe(name, subscription).unwrap()
                })
                .collect();
            let one_of_many = bus.topic(&format!("topic.{round}")).unwrap();
            for message in 0..30_u64 {
                topic.try_publish(message).unwrap();
                one_of_many.try_publish(message).unwrap();
            }
            drop(subscribers);
        }
    });
    assert!(grown < MARGIN, "{grown} bytes");
    assert_eq!(bus.topics().len(), 2);
}

#[test]
fn a_million_tasks_leave_a_group_nothing_but_their_results() {
    if has_run_alone() {
        return;
    }
    let runtime = runtime();
    for limit in [None, Some(8)] {
        let (grown, ()) = growth(|| {
            runtime.block_on(async {
                let mut group = Group::new(&Context::root());
                if let Some(limit) = limit {
                    group = group.limit(limit);
                }
                for n in 0..MILLION {
                    group.spawn("one of a million", |_| async { Ok::<_, Error>(()) });
                    if n % 1_000 == 0 {
                        steps::settle().await;
                    }
                }
                assert!(group.len() < 10_000);
                assert_eq!(group.join().await.unwrap().len(), MILLION);
            });
        });
        assert!(grown < MARGIN, "{grown} bytes with a limit of {limit:?}");
    }
}

#[test]
fn a_million_locks_leave_nothing_in_the_list_of_their_orders() {
    if has_run_alone() {
        return;
    }
    let outer = Mutex::new(());
    let (grown, ()) = growth(|| {
        for n in 0..MILLION / 2 {
            let pair = [(); 2].map(|()| Mutex::new(()));
            if n % 4 == 0 {
                drop((outer.lock(), pair[0].lock(), pair[1].lock()));
            } else {
                drop((pair[0].lock(), pair[1].try_lock()));
            }
        }
    });
    assert!(grown < MARGIN, "{grown} bytes");
    // So many at once that their orders are learnt anew.
    let (grown, ()) = growth(|| {
        let locks: Vec<Mutex<()>> = (0..MILLION / 10).map(|_| Mutex::new(())).collect();
        let before = resident();
        locks.windows(2).for_each(|pair| drop((pair[0].lock(), pair[1].lock())));
        assert!(resident().saturating_sub(before) < MARGIN);
    });
    assert!(grown < MARGIN, "{grown} bytes");
}

#[test]
fn a_million_futures_leave_a_set_as_small_as_it_was() {
    if has_run_alone() {
        return;
    }
    let (ctx, runtime) = (Context::root(), runtime());
    let mut set = Set::new();
    let (grown, ()) = growth(|| {
        runtime.block_on(async {
            // One after the other, and then a burst of which each is woken.
            for n in 0..MILLION {
                set.insert(n, Box::pin(tokio::task::yield_now()));
                assert_eq!(set.next(&ctx).await.unwrap(), Some((n, ())));
            }
            for n in 0..MILLION / 10 {
                set.insert(n, Box::pin(tokio::task::yield_now()));
            }
            while set.next(&ctx).await.unwrap().is_some() {}
        });
    });
    assert!(grown < KEPT, "{grown} bytes");
}

/// What the allocator keeps of large blocks is not ours: it may be twice the largest that it takes from its heap.
const KEPT: usize = 3 * MARGIN;

#[test]
fn a_million_keys_leave_a_striped_map_as_small_as_it_was() {
    if has_run_alone() {
        return;
    }
    let map: Map<usize, [usize; 8]> = Map::new();
    let (grown, ()) = growth(|| {
        // The second round shows that the first is not merely kept for it.
        for round in 0..2 {
            (0..MILLION).for_each(|key| assert!(map.insert(key, [key; 8]).is_none()));
            assert!(map.capacity() >= MILLION);
            if round == 0 {
                (0..MILLION).for_each(|key| assert!(map.remove(&key).is_some()));
            } else {
                map.retain(|_, _| false);
            }
            assert!(map.is_empty() && map.capacity() <= 28 * map.stripes(), "{}", map.capacity());
        }
    });
    assert!(grown < KEPT, "{grown} bytes");
}

#[test]
fn a_million_keys_leave_the_flights_nothing() {
    if has_run_alone() {
        return;
    }
    let (ctx, runtime) = (Context::root().child(), runtime());
    let flights: singleflight::Group<usize, usize> =
        singleflight::Group::new(singleflight::Options::default().max_flight(None)).unwrap();
    let (grown, ()) = growth(|| {
        // One after the other, each done at once.
        for key in 0..MILLION {
            let call = flights.run(&ctx, key, |_| async move { Ok(key) });
            assert_eq!(runtime.block_on(call).unwrap(), key);
        }
        // In crowds of which each has a sharer, and of which half go away before they are done.
        for round in 0..MILLION / CROWD / 2 {
            runtime.block_on(async {
                let calls = (0..CROWD).map(|n| {
                    let work = move || async move {
                        tokio::task::yield_now().await;
                        Ok(n)
                    };
                    flights.run(&ctx, round * CROWD + n / 2, move |_| work())
                });
                let mut calls: Vec<_> = calls.map(Box::pin).collect();
                for call in &mut calls {
                    assert!(futures_util::poll!(call).is_pending());
                }
                calls.truncate(CROWD / 2);
                for call in calls {
                    call.await.unwrap();
                }
                steps::settle().await;
            });
        }
        assert_eq!(flights.numbers().running, 0);
    });
    assert!(grown < MARGIN, "{grown} bytes");
}

#[test]
fn a_million_items_leave_a_batcher_nothing_whether_run_or_taken_back() {
    if has_run_alone() {
        return;
    }
    let (ctx, runtime) = (Context::root().child(), runtime());
    let (grown, ()) = growth(|| {
        runtime.block_on(async {
            let work = |_, batch: Batch<usize, usize>| async move {
                tokio::task::yield_now().await;
                batch.answer(|item| item);
                Ok(())
            };
            let batcher = Batcher::answering(&ctx, batch::Options::default(), work).unwrap();
            for goes_away in [false, true] {
                for _ in 0..MILLION / CROWD {
                    let mut calls: Vec<_> =
                        (0..CROWD).map(|n| Box::pin(batcher.submit(&ctx, n))).collect();
                    for call in &mut calls {
                        assert!(futures_util::poll!(call).is_pending());
                    }
                    if goes_away {
                        // Half of them while they queue, the rest while their batch is run.
                        calls.truncate(CROWD / 2);
                        tokio::task::yield_now().await;
                        calls.clear();
                    }
                    for (n, call) in calls.into_iter().enumerate() {
                        assert_eq!(call.await.unwrap(), n);
                    }
                }
            }
            assert_eq!(batcher.stats().queued, 0);
            batcher.close(&ctx).await.unwrap();
        });
    });
    assert!(grown < MARGIN, "{grown} bytes");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}
