//! Rows `single-flight*`: a call that is made once for all who make it at the same time.
//!
//! Ours asks a context, catches panics, and owns the work: who came first may go away, and who waits goes on. uniflight's
//! work is polled by whoever waits; `async_singleflight`'s by its leader, and is called again if that goes. Go's is
//! measured in its own program, where the module `golang.org/x/sync` is installed for it (Debian:
//! golang-golang-x-sync-dev).

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_singleflight::Group as AsyncSingleflight;
use futures_util::future::join_all;
use linchpin::Context;
use linchpin::sync::singleflight::{Group, Options};
use tokio::sync::Notify;
use tokio::task::yield_now;
use uniflight::Merger;

use crate::go::Program;
use crate::harness::{Operation, tokio_spawn};
use crate::row::Role::{Floor, Ours, Peer};

const LINCHPIN: &str = "linchpin, under a root";
const UNDER_CONTEXT: &str = "linchpin, under a context that may end";
pub(crate) const UNIFLIGHT: &str = "uniflight";
pub(crate) const ASYNC_SINGLEFLIGHT: &str = "async_singleflight";
const GO: &str = "Go x/sync";
/// Callers that want the same.
pub(crate) const CROWD: usize = 100;

pub(crate) type Value = Arc<u64>;

/// A loop of calls that nobody shares, or of crowds that do.
const PROGRAM: &str = r#"
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

func main() {
	operations, _ := strconv.Atoi(os.Args[2])
	var group singleflight.Group
	value := new(int)
	if os.Args[1] == "alone" {
		began := time.Now()
		for range operations {
			group.Do("key", func() (any, error) { return value, nil })
		}
		fmt.Println(time.Since(began).Nanoseconds())
		return
	}
	runtime.GOMAXPROCS(2)
	began := time.Now()
	for range (operations + 99) / 100 {
		var crowd sync.WaitGroup
		for range 100 {
			crowd.Go(func() {
				group.Do("key", func() (any, error) { runtime.Gosched(); return value, nil })
			})
		}
		crowd.Wait()
	}
	fmt.Println(time.Since(began).Nanoseconds())
}
"#;

/// Every row of single flights.
pub fn operations() -> Vec<Operation> {
    let go = Program::build_with(PROGRAM, Path::new("/usr/share/gocode"));
    let beside = |operation, what: &str| go.beside(operation, GO, &[&what]);
    vec![
        alone(false),
        beside(alone_string(), "alone"),
        alone(true),
        crowd(),
        beside(tasks(), "crowd"),
    ]
}

fn ours<K>() -> Group<K, Value, ()> {
    Group::new(Options::default()).expect("the defaults are good")
}

/// The work: done at once, or when others have had a turn.
pub(crate) async fn work(value: Value, waits: bool) -> Result<Value, ()> {
    if waits {
        yield_now().await;
    }
    Ok(value)
}

/// Calls that nobody shares. Ours makes a task of what waits, so that it belongs to nobody who may go away; uniflight's
/// caller has to do that itself.
fn alone(waits: bool) -> Operation {
    let operation = Operation::new(if waits { "single-flight-waits" } else { "single-flight" })
        .ct(Ours, LINCHPIN, move |operations| flown(operations, waits))
        .ct(Peer, UNIFLIGHT, move |operations| merged(operations, waits))
        .ct(Peer, ASYNC_SINGLEFLIGHT, move |operations| led(operations, waits));
    if waits { operation.ct(Peer, "uniflight, over a task", spawned) } else { operation }
}

/// By ours.
pub(crate) async fn flown(operations: u64, waits: bool) {
    let (ctx, group, value) = (Context::root(), ours(), Value::new(1));
    for key in 0..operations {
        drop(black_box(group.run(&ctx, key, |_| work(value.clone(), waits)).await));
    }
}

/// By uniflight.
pub(crate) async fn merged(operations: u64, waits: bool) {
    let (group, value) = (Merger::<u64, Result<Value, ()>>::new(), Value::new(1));
    for key in 0..operations {
        drop(black_box(group.execute(&key, || work(value.clone(), waits)).await));
    }
}

/// By `async_singleflight`.
pub(crate) async fn led(operations: u64, waits: bool) {
    let (group, value) = (AsyncSingleflight::<u64, Value, ()>::new(), Value::new(1));
    for key in 0..operations {
        drop(black_box(group.work(&key, work(value.clone(), waits)).await));
    }
}

async fn spawned(operations: u64) {
    let (group, value) = (Merger::<u64, Result<Value, ()>>::new(), Value::new(1));
    for key in 0..operations {
        let call = group.execute(&key, || {
            let task = tokio_spawn(work(value.clone(), true));
            async move { task.await.expect("it does not panic") }
        });
        drop(black_box(call.await));
    }
}

/// The same with a key that is a text, which ours takes and the others copy.
fn alone_string() -> Operation {
    Operation::new("single-flight-string")
        .ct(Ours, LINCHPIN, |operations| async move {
            let (ctx, group, value) = (Context::root(), ours(), Value::new(1));
            for _ in 0..operations {
                let call = group.run(&ctx, "key".to_owned(), |_| work(value.clone(), false));
                drop(black_box(call.await));
            }
        })
        .ct(Peer, UNIFLIGHT, |operations| async move {
            let (group, value) = (Merger::<String, Result<Value, ()>>::new(), Value::new(1));
            for _ in 0..operations {
                drop(black_box(group.execute("key", || work(value.clone(), false)).await));
            }
        })
        .ct(Peer, ASYNC_SINGLEFLIGHT, |operations| async move {
            let (group, value) = (AsyncSingleflight::<String, Value, ()>::new(), Value::new(1));
            for _ in 0..operations {
                drop(black_box(group.work("key", work(value.clone(), false)).await));
            }
        })
}

/// A crowd in one task, per caller.
fn crowd() -> Operation {
    macro_rules! batch {
        ($group:expr, |$own:ident, $value:ident| $call:expr) => {
            |operations| async move {
                let ($own, $value) = ($group, Value::new(1));
                let ($own, $value) = (&$own, &$value);
                for _ in 0..operations.div_ceil(CROWD as u64) {
                    drop(black_box(join_all((0..CROWD).map(|_| $call)).await));
                }
            }
        };
    }
    Operation::new("single-flight-100")
        .ct(Ours, LINCHPIN, |operations| flown_by_a_crowd(operations, Context::root()))
        .ct(Ours, UNDER_CONTEXT, |operations| async move {
            let child = Context::root().child();
            flown_by_a_crowd(operations, (*child).clone()).await;
        })
        .ct(
            Peer,
            UNIFLIGHT,
            batch!(Merger::<u64, Result<Value, ()>>::new(), |own, value| {
                own.execute(&1, || work(value.clone(), true))
            }),
        )
        .ct(
            Peer,
            ASYNC_SINGLEFLIGHT,
            batch!(AsyncSingleflight::<u64, Value, ()>::new(), |own, value| {
                own.work(&1, work(value.clone(), true))
            }),
        )
}

/// By ours.
pub(crate) async fn flown_by_a_crowd(operations: u64, ctx: Context) {
    let (group, value) = (ours(), Value::new(1));
    for _ in 0..operations.div_ceil(CROWD as u64) {
        let call = |_| group.run(&ctx, 1_u64, |_| work(value.clone(), true));
        drop(black_box(join_all((0..CROWD).map(call)).await));
    }
}

/// Opens when a whole crowd has come, so that they all want the same.
#[derive(Default)]
struct Gate {
    came: AtomicUsize,
    opened: Notify,
}

impl Gate {
    fn come(&self) {
        if self.came.fetch_add(1, Ordering::Relaxed) + 1 == CROWD {
            self.opened.notify_one();
        }
    }

    /// The work of one, or of each if there are several.
    async fn work(self: Arc<Self>, value: Value) -> Result<Value, ()> {
        self.opened.notified().await;
        self.opened.notify_one();
        Ok(value)
    }
}

/// A crowd of tasks on two threads, their spawns and joins included, per caller. What the tasks cost that only give way
/// once is the floor of all but Go's, whose tasks are others.
fn tasks() -> Operation {
    macro_rules! batch {
        ($group:expr, |$own:ident, $work:ident| $call:expr) => {
            |operations| async move {
                let shared = Arc::new(($group, Value::new(1)));
                for _ in 0..operations.div_ceil(CROWD as u64) {
                    let gate = Arc::new(Gate::default());
                    let crowd = (0..CROWD).map(|_| {
                        let (shared, gate) = (shared.clone(), gate.clone());
                        tokio_spawn(async move {
                            gate.come();
                            let $own = &shared.0;
                            let $work = || gate.work(shared.1.clone());
                            drop(black_box($call.await));
                        })
                    });
                    for caller in crowd.collect::<Vec<_>>() {
                        caller.await.expect("it does not panic");
                    }
                }
            }
        };
    }
    Operation::new("single-flight-100-mt")
        .mt(Floor, "tokio, the tasks alone", |operations| async move {
            for _ in 0..operations.div_ceil(CROWD as u64) {
                let crowd = (0..CROWD).map(|_| tokio_spawn(yield_now()));
                for caller in crowd.collect::<Vec<_>>() {
                    caller.await.expect("it does not panic");
                }
            }
        })
        .mt(
            Ours,
            LINCHPIN,
            batch!((ours(), Context::root()), |own, work| own.0.run(&own.1, 1_u64, |_| work())),
        )
        .mt(
            Ours,
            UNDER_CONTEXT,
            batch!((ours(), Context::root().child()), |own, work| {
                own.0.run(&own.1, 1_u64, |_| work())
            }),
        )
        .mt(
            Peer,
            UNIFLIGHT,
            batch!(Merger::<u64, Result<Value, ()>>::new(), |own, work| own.execute(&1, work)),
        )
        .mt(
            Peer,
            ASYNC_SINGLEFLIGHT,
            batch!(AsyncSingleflight::<u64, Value, ()>::new(), |own, work| own.work(&1, work())),
        )
}
