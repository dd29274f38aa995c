//! Group: who runs the work. What does not wait shares a task of the runtime, what waits has its own.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use linchpin::sync::event::Event;
use linchpin::task::{self, Group};
use linchpin::{Context, Kind};

/// Where threads wait, without giving way, until so many are there at once.
#[derive(Default)]
struct Meeting {
    there: Mutex<usize>,
    more: Condvar,
}

impl Meeting {
    /// Whether `all` came together in time.
    fn meet(&self, all: usize) -> bool {
        const PATIENCE: Duration = Duration::from_secs(20);
        let mut there = self.there.lock().unwrap();
        *there += 1;
        let round = there.div_ceil(all) * all;
        self.more.notify_all();
        let (there, _) =
            self.more.wait_timeout_while(there, PATIENCE, |there| *there < round).unwrap();
        *there >= round
    }
}

/// Spawned by a worker thread of the runtime, which keeps what it spawned last to itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn as_much_runs_in_parallel_as_the_runtime_has_threads() {
    let spawner = task::spawn("spawner", async {
        let meeting = Arc::new(Meeting::default());
        let mut group = Group::new(&Context::root());
        for _ in 0..12 {
            let meeting = meeting.clone();
            group.spawn("blocks its thread", move |_| async move { Ok(meeting.meet(4)) });
        }
        group.join().await.unwrap()
    });
    assert_eq!(spawner.join().await, [true; 12], "some waited for threads that were idle");
}

#[tokio::test]
async fn what_does_not_wait_shares_a_task() {
    let mut group = Group::new(&Context::root());
    for _ in 0..100 {
        group.spawn("short", |_| async { Ok(tokio::task::id()) });
    }
    let tasks: BTreeSet<_> = group.join().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(tasks.len(), 1);
}

#[tokio::test]
async fn what_waits_has_a_task_to_itself() {
    let event = Event::new();
    let mut group = Group::new(&Context::root());
    for _ in 0..3 {
        let event = event.clone();
        group.spawn("waits for the last", |ctx| async move {
            event.wait(&ctx).await?;
            Ok(tokio::task::id().to_string())
        });
    }
    group.spawn("last", move |_| async move {
        event.set();
        Ok(tokio::task::id().to_string())
    });
    let tasks: BTreeSet<_> = group.join().await.unwrap().into_iter().collect();
    assert_eq!(tasks.len(), 4);
}

#[test]
fn what_a_runtime_leaves_behind_is_dropped() {
    let build = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut group = Group::<()>::new(&Context::root());
    let runtime = build();
    runtime.block_on(async {
        for _ in 0..3 {
            group.spawn("never begins", |_| async { Ok(()) });
        }
    });
    drop(runtime);
    let results = build().block_on(group.settle());
    assert_eq!(results.len(), 3);
    assert!(results.iter().all(|result| result.as_ref().unwrap_err().kind() == Kind::Cancelled));
}
