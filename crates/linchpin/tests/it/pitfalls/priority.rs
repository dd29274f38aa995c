//! Priority inversion: what is urgent waits behind what is not, for as long as there is much of it.

use std::time::Duration;

use linchpin::resilience::FailedKind;
use linchpin::sync::semaphore::{Options, Semaphore};
use linchpin::task::pool::Priority;
use linchpin::task::{self, Task};
use linchpin::{Context, Error};
use linchpin_testing::steps::settle;

const SECOND: Duration = Duration::from_secs(1);

/// A connection that ten bulk exports share, each for a second.
async fn busy(priority: Priority) -> (Semaphore, Vec<Task<Result<(), Error>>>) {
    let connection = Semaphore::new(1, Options::default().name("connection")).unwrap();
    let exports = (0..10).map(|_| {
        let connection = connection.clone();
        task::spawn("export", async move {
            let permit = connection.at(priority).acquire(&Context::root(), 1).await?;
            tokio::time::sleep(SECOND).await;
            drop(permit);
            Ok(())
        })
    });
    let exports = exports.collect();
    settle().await;
    (connection, exports)
}

#[tokio::test(start_paused = true)]
async fn an_urgent_request_in_a_line_of_bulk_work_misses_its_deadline_and_says_so() {
    let (connection, exports) = busy(Priority::Normal).await;
    // The program that fails: first come, first served is fair, and wrong here. The tools: the length of the line, and
    // a deadline, under which a wait ends and says why.
    assert_eq!(connection.waiting(), 9);
    let request = Context::root().with_timeout(2 * SECOND);
    let failed = connection.acquire(&request, 1).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Ended(_)), "{failed}");
    drop(exports);
}

#[tokio::test(start_paused = true)]
async fn an_urgent_request_goes_first_and_bulk_work_is_not_starved() {
    let (connection, exports) = busy(Priority::Low).await;
    // Mended: the line knows what is urgent.
    let request = Context::root().with_timeout(2 * SECOND);
    let urgent = connection.at(Priority::High).acquire(&request, 1).await.unwrap();
    assert_eq!(connection.waiting(), 9, "only the one that had it was waited for");
    drop(urgent);
    for export in exports {
        export.join().await.unwrap();
    }
}
