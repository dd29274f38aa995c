//! The task watch: stalls and overdue tasks are told, each once, and the watch outlives what it meets.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use linchpin::task::watch::{Event, Options, Stall, Watch};
use linchpin::task::{self, Kind};
use linchpin_testing::leak::Check;

const BOUND: Duration = Duration::from_millis(20);
/// How long a test waits for an event that must come.
const PATIENCE: Duration = Duration::from_secs(30);

fn name(event: &Event) -> &'static str {
    match event {
        Event::Stalled(stall) | Event::Resumed(stall) => stall.task.name,
        Event::Overdue(task) => task.name,
        _ => "",
    }
}

/// A watch, and what it tells about tasks of these names; other tests have other ones.
fn watch(options: Options, about: &'static [&'static str]) -> (Watch, Receiver<Event>) {
    let (tell, told) = channel();
    let options = options.on_event(move |event| {
        if about.contains(&name(event)) {
            // A test that is over does not listen.
            tell.send(event.clone()).ok();
        }
    });
    (Watch::start(options).unwrap(), told)
}

/// Runs `work` on a current-thread runtime on a thread of that name.
fn on_a_thread<F: Future<Output: Send + 'static>>(
    name: &str,
    work: impl FnOnce() -> F + Send + 'static,
) -> F::Output {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(work())
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).unwrap().join().unwrap()
}

#[test]
fn a_task_that_blocks_its_thread_is_named_while_it_does_and_when_it_is_over() {
    let (_watch, told) = watch(Options::default().stall_after(BOUND), &["blocks"]);
    let (line, (first, told)) = on_a_thread("the blocked thread", || async {
        let line = line!() + 1;
        let task = task::spawn("blocks", async move {
            // It blocks until the watch has noticed.
            (told.recv_timeout(PATIENCE), told)
        });
        (line, task.join().await)
    });
    let Ok(Event::Stalled(Stall { task, thread, lasted, .. })) = first else { panic!("{first:?}") };
    assert_eq!((task.name, thread.as_str()), ("blocks", "the blocked thread"));
    assert!(task.site.file().ends_with("watch.rs"));
    assert_eq!(task.site.line(), line);
    assert!(lasted >= BOUND);
    let second = told.recv_timeout(PATIENCE);
    let Ok(Event::Resumed(over)) = second else { panic!("{second:?}") };
    assert!(over.lasted >= lasted);
    assert_eq!(over.task.id, task.id);
    assert!(told.try_recv().is_err(), "each is told once");
}

#[test]
fn an_overdue_task_is_told_once_and_one_that_is_meant_to_last_is_not() {
    let options = Options::default().without_stalls().overdue_after(BOUND).long_lived(["lasting"]);
    let (_watch, told) = watch(options, &["lasting", "forgotten", "later"]);
    let told = on_a_thread("runtime", move || async move {
        let _lasting = task::spawn("lasting", std::future::pending::<()>());
        let _forgotten = task::spawn("forgotten", std::future::pending::<()>());
        let first = told.recv_timeout(PATIENCE).unwrap();
        // By the time this one is overdue the watch has looked at the first several times more.
        let _later = task::spawn("later", std::future::pending::<()>());
        [first, told.recv_timeout(PATIENCE).unwrap()]
    });
    let [Event::Overdue(first), Event::Overdue(second)] = &told else { panic!("{told:?}") };
    assert_eq!([first.name, second.name], ["forgotten", "later"]);
    assert_eq!(first.kind, Kind::Async);
    assert!(first.age >= BOUND);
}

#[test]
fn a_hook_that_panics_does_not_end_the_watch() {
    let (tell, told) = channel();
    let options = Options::default().stall_after(BOUND).on_event(move |event| {
        if name(event) == "blocks twice" {
            tell.send(()).ok();
            panic!("the hook of a test");
        }
    });
    let _watch = Watch::start(options).unwrap();
    on_a_thread("runtime", || async {
        let task = task::spawn("blocks twice", async move {
            told.recv_timeout(PATIENCE).unwrap();
            tokio::task::yield_now().await;
            // The end of the first stall, and a second one.
            told.recv_timeout(PATIENCE).unwrap();
            told.recv_timeout(PATIENCE).unwrap();
        });
        task.join().await;
    });
}

#[tokio::test]
async fn dropping_the_watch_ends_its_thread() {
    let check = Check::new();
    let watch = Watch::start(Options::default().stall_after(PATIENCE)).unwrap();
    assert_eq!(check.leaked().len(), 1);
    assert_eq!(check.leaked()[0].name, "task watch");
    drop(watch);
    check.assert_none().await;
}

#[test]
fn bounds_that_make_no_sense_are_refused() {
    let refusal = |options| Watch::start(options).unwrap_err().to_string();
    let short = refusal(Options::default().stall_after(Duration::ZERO));
    assert!(short.contains("the stall bound of 0ns is below 1ms"), "{short}");
    let short = refusal(Options::default().overdue_after(Duration::from_micros(1)));
    assert!(short.contains("the overdue bound of 1µs is below 1ms"), "{short}");
    let nothing = refusal(Options::default().without_stalls());
    assert!(nothing.contains("there is nothing to watch"), "{nothing}");
}
