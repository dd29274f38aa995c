//! A million jobs leave the memory of the process where it was.

use linchpin::Context;
use linchpin::task::count;
use linchpin::task::pool::Options;

use super::pool;
use crate::memory::{has_run_alone, resident};

const MILLION: u64 = 1_000_000;
/// What the allocator may keep for itself. A leak of eight bytes a job would be that much.
const SLACK: usize = 8 << 20;

async fn run(jobs: u64) {
    let (ctx, pool) = (Context::root().child(), pool(8, Options::default()));
    for job in 0..jobs {
        let submitted = pool.submit(&ctx, move |_| async move {
            // Half of them stop in the middle.
            if job % 2 == 0 {
                tokio::task::yield_now().await;
            }
            Ok(job)
        });
        let handle = submitted.await.unwrap();
        // Some results are fetched, most are not.
        if job % 10 == 0 {
            assert_eq!(handle.join().await.unwrap(), job);
        }
    }
    let report = pool.drain(&ctx).await;
    assert_eq!((report.stats.done, report.is_complete()), (jobs, true));
}

#[test]
fn a_million_jobs_leave_memory_where_it_was() {
    if !cfg!(target_os = "linux") {
        return;
    }
    if has_run_alone() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        run(MILLION / 100).await;
        let (before, tasks) = (resident(), count());
        run(MILLION).await;
        tokio::task::yield_now().await;
        let after = resident();
        assert!(after < before + SLACK, "from {before} to {after} bytes");
        assert_eq!(count(), tasks);
    });
}
