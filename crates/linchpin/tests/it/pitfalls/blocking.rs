//! Blocking in async: one task computes or waits without awaiting, and all others of its thread stand still.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use linchpin::task;
use linchpin::task::watch::{Event, Options, Watch};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
const BOUND: Duration = Duration::from_millis(20);

/// What a library offers that knows no async: it returns when somebody has answered.
fn waits_on_its_thread(answer: &Receiver<&'static str>) -> Option<&'static str> {
    answer.recv_timeout(PATIENCE).ok()
}

/// A watch that hands on what it tells about tasks of this name.
fn watch(name: &'static str, tell: Sender<&'static str>) -> Watch {
    let options = Options::default().stall_after(BOUND).on_event(move |event| {
        if let Event::Stalled(stall) = event
            && stall.task.name == name
        {
            tell.send(stall.task.name).ok();
        }
    });
    Watch::start(options).unwrap()
}

fn on_a_runtime<F: Future<Output: Send + 'static>>(
    work: impl FnOnce() -> F + Send + 'static,
) -> F::Output {
    let run = || tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work());
    thread::spawn(run).join().unwrap()
}

#[test]
fn a_task_that_blocks_its_thread_stops_all_others_and_the_watch_names_it() {
    let (tell, told) = channel();
    let _watch = watch("statement", tell);
    let (seen, others_ran) = on_a_runtime(|| async {
        let ran = Arc::new(AtomicBool::new(false));
        let looks = ran.clone();
        // The program that fails: it would wait for ever for what another task of its thread should bring. Here the
        // watch brings it: while the thread stands, it tells who stands there.
        let blocked = task::spawn("statement", async move {
            (waits_on_its_thread(&told), looks.load(Ordering::Relaxed))
        });
        let other = task::spawn("other", async move { ran.store(true, Ordering::Relaxed) });
        let seen = blocked.join().await;
        other.join().await;
        seen
    });
    assert_eq!((seen, others_ran), (Some("statement"), false));
}

#[test]
fn what_blocks_on_a_thread_of_its_own_stops_nobody() {
    let answer = on_a_runtime(|| async {
        let (send, answer) = channel();
        // Mended: listed, named, and not on the runtime's thread, where the answer is made.
        let statement = task::blocking("statement", move || waits_on_its_thread(&answer));
        let other = task::spawn("other", async move { send.send("answer") });
        assert!(other.join().await.is_ok());
        statement.join().await
    });
    assert_eq!(answer, Some("answer"));
}
