//! The list of live tasks: who is on it, since when, and until when.

use std::panic::AssertUnwindSafe;
use std::thread;
use std::time::Duration;

use futures_util::FutureExt as _;
use linchpin::task::{self, Kind, Live, Task};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The live tasks of that name; tests that run at the same time have other names.
/// Those of this file, since other tests may use the same names at the same time.
fn named(name: &str) -> Vec<Live> {
    let ours = |task: &Live| task.name == name && task.site.file() == file!();
    task::live().into_iter().filter(ours).collect()
}

fn sleeping(name: &'static str) -> Task<()> {
    task::spawn(name, std::future::pending())
}

#[tokio::test]
async fn each_kind_of_task_is_listed_as_what_it_is() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (go_too, wait_too) = std::sync::mpsc::channel::<()>();
    let _asynchronous = sleeping("kind async");
    let blocking = task::blocking("kind blocking", move || wait.recv());
    let thread = task::thread("kind thread", move || wait_too.recv()).unwrap();
    let kind = |name| named(name)[0].kind;
    assert_eq!(kind("kind async"), Kind::Async);
    assert_eq!(kind("kind blocking"), Kind::Blocking);
    assert_eq!(kind("kind thread"), Kind::Thread);
    assert!(task::count() >= 3);
    drop((go, go_too));
    assert!(blocking.join().await.is_err());
    assert!(thread.join().unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn the_oldest_come_first_and_the_young_can_be_left_out() {
    let second = Duration::from_secs(1);
    let mut tasks = Vec::new();
    for _ in 0..20 {
        // Each from another thread, so that no part of the list has them all.
        let runtime = Handle::current();
        let spawner = thread::spawn(move || {
            let _inside = runtime.enter();
            sleeping("aging")
        });
        tasks.push(spawner.join().unwrap());
        tokio::time::advance(second).await;
    }
    let ages = |tasks: Vec<Live>| -> Vec<u64> {
        tasks.iter().filter(|task| task.name == "aging").map(|task| task.age.as_secs()).collect()
    };
    let oldest_first: Vec<u64> = (1..=20).rev().collect();
    assert_eq!(ages(task::live()), oldest_first);
    assert_eq!(ages(task::live_older_than(second * 5)), oldest_first[..16]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_are_unique_and_whoever_has_the_result_finds_the_task_gone() {
    let spawned: Vec<Task<()>> = (0..1000).map(|_| sleeping("many")).collect();
    let mut ids: Vec<u64> = named("many").iter().map(|task| task.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1000);
    for task in spawned {
        task.abort();
        assert!(task.outcome().await.is_err());
    }
    assert_eq!(named("many").len(), 0);
    for _ in 0..1000 {
        task::spawn("brief", async {}).join().await;
        assert_eq!(named("brief").len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_told_to_go_has_a_grace_for_it() {
    let ours = |task: &Live| task.name == "slow to go" && task.site.file() == file!();
    let second = Duration::from_secs(1);
    let slow = task::spawn("slow to go", tokio::time::sleep(second));
    let left = task::left_within(second / 2, ours).await;
    assert_eq!(left.len(), 1, "too slow");
    let began = tokio::time::Instant::now();
    assert!(task::left_within(10 * second, ours).await.is_empty());
    assert!(began.elapsed() < second, "as soon as it is gone");
    drop(slow);
    assert!(task::left_within(Duration::ZERO, ours).await.is_empty());
}

/// Says on drop whether the task of that name is still listed.
struct Last(&'static str, Option<oneshot::Sender<usize>>);

impl Drop for Last {
    fn drop(&mut self) {
        self.1.take().unwrap().send(named(self.0).len()).unwrap();
    }
}

#[tokio::test]
async fn a_task_is_listed_until_all_it_held_is_dropped() {
    let (last, listed) = oneshot::channel();
    let held = Last("aborted late", Some(last));
    let task = task::spawn("aborted late", async move {
        let _held = held;
        std::future::pending::<()>().await;
    });
    tokio::task::yield_now().await;
    drop(task);
    assert_eq!(listed.await.unwrap(), 1);
    assert_eq!(named("aborted late").len(), 0);
}

#[tokio::test]
async fn a_panic_leaves_the_list() {
    let panics = task::spawn("panics", async { panic!("boom") });
    assert!(AssertUnwindSafe(panics.join()).catch_unwind().await.is_err());
    let panics = task::blocking("panics", || panic!("boom"));
    assert!(AssertUnwindSafe(panics.join()).catch_unwind().await.is_err());
    let panics = task::thread("panics", || panic!("boom")).unwrap();
    assert!(panics.join().is_err());
    assert_eq!(named("panics").len(), 0);
}

#[tokio::test]
async fn a_task_says_what_it_is() {
    let line = line!() + 1;
    let _task = sleeping("printed");
    let text = named("printed")[0].to_string();
    assert!(text.starts_with("`printed` from ") && text.contains("registry.rs:"), "{text}");
    // The helper is not `track_caller`, so the line is the helper's.
    assert!(!text.contains(&format!(":{line}:")), "{text}");
}
