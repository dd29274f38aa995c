//! Forgotten task: a component is dropped, and the task that it began goes on for ever.

use std::sync::{Arc, Weak};
use std::time::Duration;

use linchpin::sync::Mutex;
use linchpin::task::{self, Task};
use linchpin_testing::leak::Check;
use tokio::time::sleep;

const MINUTE: Duration = Duration::from_mins(1);

/// A cache that refreshes itself.
#[derive(Default)]
struct Cache {
    refreshes: Mutex<u32>,
    refresher: Mutex<Option<Task<()>>>,
}

impl Cache {
    fn refresh(&self) {
        *self.refreshes.lock() += 1;
    }

    /// The mistake: the task owns the cache, which owns the task. Nobody else is left to drop either.
    fn kept_alive_by_its_task() -> Arc<Self> {
        let cache = Arc::new(Self::default());
        let refreshed = cache.clone();
        let refresher = task::spawn("refresher", async move {
            loop {
                refreshed.refresh();
                sleep(MINUTE).await;
            }
        });
        *cache.refresher.lock() = Some(refresher);
        cache
    }

    /// Mended: the task knows the cache, and the cache owns the task, which ends with it.
    fn new() -> Arc<Self> {
        Arc::new_cyclic(|cache: &Weak<Self>| {
            let cache = cache.clone();
            let refresher = task::spawn("refresher", async move {
                loop {
                    sleep(MINUTE).await;
                    let Some(cache) = cache.upgrade() else { return };
                    cache.refresh();
                }
            });
            Self { refresher: Mutex::new(Some(refresher)), ..Self::default() }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_owns_its_owner_is_found_by_name_and_line() {
    let check = Check::new();
    drop(Cache::kept_alive_by_its_task());
    // The program that fails: the cache is gone for everybody, and its task still runs. The tool tells whose it is.
    sleep(10 * MINUTE).await;
    let leaked = check.leaked();
    assert_eq!(leaked.len(), 1);
    assert_eq!(leaked[0].name, "refresher");
    assert!(leaked[0].site.file().ends_with("forgotten_task.rs"));
    assert!(leaked[0].age >= 10 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_its_component_owns_goes_with_it() {
    let check = Check::new();
    let cache = Cache::new();
    sleep(MINUTE * 5 / 2).await;
    assert_eq!(*cache.refreshes.lock(), 2);
    drop(cache);
    check.assert_none().await;
}
