//! The examples of Go's documentation.

use std::io;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;

use linchpin::Context;
use linchpin::context::{Cause, Child};
use linchpin::time::Instant;

use super::{SHORT, cause, is_done};

#[tokio::test]
async fn a_producer_ends_with_its_consumer() {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let owner = Context::root().child();
    let context = Context::clone(&owner);
    let produce = async move {
        for n in 1.. {
            match context.run(sender.send(n)).await {
                Ok(Ok(())) => {}
                _ => return context.cause(),
            }
        }
        None
    };
    let consume = async {
        let mut got = Vec::new();
        while let Some(n) = receiver.recv().await {
            got.push(n);
            if n == 5 {
                break;
            }
        }
        drop(owner);
        got
    };
    let (ended, got) = tokio::join!(produce, consume);
    assert_eq!(got, [1, 2, 3, 4, 5]);
    assert!(matches!(ended, Some(Cause::Dropped)));
}

#[tokio::test(start_paused = true)]
async fn work_that_is_never_ready_is_given_up_at_the_deadline() {
    let context = Context::root().with_deadline(Instant::now() + SHORT);
    let ended = context.run(std::future::pending::<()>()).await.unwrap_err();
    assert_eq!(ended.to_string(), "ended: the deadline has passed");
}

#[tokio::test(start_paused = true)]
async fn work_that_is_never_ready_is_given_up_after_the_timeout() {
    let context = Context::root().with_timeout(SHORT);
    let ended = context.run(std::future::pending::<()>()).await.unwrap_err();
    assert_eq!(ended.to_string(), "ended: the deadline has passed");
}

#[test]
fn a_value_that_nobody_set_is_not_found() {
    struct Language(&'static str);
    struct Color;
    let context = Context::root().with_value(Language("Go"));
    assert_eq!(context.get::<Language>().map(|found| found.0), Some("Go"));
    assert!(context.get::<Color>().is_none());
}

#[test]
fn a_callback_can_wake_who_waits_on_a_condition() {
    let condition = Arc::new((Mutex::new(()), Condvar::new()));
    let owners: Vec<Child> = (0..4).map(|_| Context::root().child()).collect();
    thread::scope(|scope| {
        let waiters: Vec<_> = owners
            .iter()
            .map(|context| {
                let condition = condition.clone();
                scope.spawn(move || {
                    let shared = condition.clone();
                    let _after = context.after(move || {
                        // Under the lock, or it could come between the look and the wait.
                        let _guard = shared.0.lock().unwrap();
                        shared.1.notify_all();
                    });
                    let mut guard = condition.0.lock().unwrap();
                    while context.check().is_ok() {
                        guard = condition.1.wait(guard).unwrap();
                    }
                    drop(guard);
                    cause(context)
                })
            })
            .collect();
        for owner in &owners {
            owner.cancel("now");
        }
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap().as_deref(), Some("now"));
        }
    });
}

#[cfg(unix)]
#[test]
fn a_callback_can_interrupt_a_blocking_read() {
    use std::io::Read as _;
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    let (mut ours, _theirs) = UnixStream::pair().unwrap();
    let owner = Context::root().child();
    let context = Context::clone(&owner);
    let (reading, is_reading) = mpsc::channel();
    let reader = thread::spawn(move || {
        let handle = ours.try_clone().unwrap();
        let after = context.after(move || handle.shutdown(Shutdown::Both).unwrap());
        reading.send(()).unwrap();
        let read: io::Result<usize> = ours.read(&mut [0; 1024]);
        (read.unwrap(), after.stop(), context.check().is_err())
    });
    is_reading.recv().unwrap();
    owner.cancel("now");
    assert_eq!(reader.join().unwrap(), (0, false, true));
}

#[test]
fn a_merged_context_ends_with_either_and_its_cause() {
    let first = Context::root().child();
    let second = Context::root().child();
    let merged = Context::merge([&*first, &*second]);
    assert!(!is_done(&merged));
    second.cancel("second");
    assert!(is_done(&merged));
    assert_eq!(cause(&merged).as_deref(), Some("second"));
    assert!(first.cause().is_none());
}
