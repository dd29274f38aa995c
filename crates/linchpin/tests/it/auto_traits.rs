//! What may be sent between threads and shared by them: this file compiles, or it is not so.

use std::time::Duration;

use linchpin::context::{Cancelled, Cause, Child, Context, Ended};
use linchpin::error::{Error, Kind, Panicked, catch_async};
use linchpin::resilience::bulkhead::{self, Bulkhead, Permit};
use linchpin::resilience::retry::{Jitter, Schedule};
use linchpin::resilience::{BadOptions, Failed, FailedKind, Refusal};
use linchpin::task::pool::{self, BlockingPool, Handle, NotSubmitted, Pool, Report, Unstarted};
use linchpin::task::{Fault, Group, Live, Task, Ticker, Tracker};
use linchpin::time::{Instant, Timestamp};

const fn sent<T: Send>() {}
const fn shared<T: Send + Sync>() {}

const _: () = {
    shared::<(Cancelled<'_>, Cause, Child, Context, Ended)>();
    shared::<(Error, Kind, Panicked)>();
    shared::<(bulkhead::Options, Bulkhead, Permit)>();
    shared::<(Jitter, Schedule, BadOptions, Failed<Error>, FailedKind<Error>, Refusal)>();
    shared::<(Group<u8>, Live, Task<u8>, Ticker, Tracker)>();
    shared::<(pool::Options, Pool, BlockingPool, Handle<u8>, NotSubmitted<u8>)>();
    shared::<(Report, Unstarted)>();
    shared::<(Instant, Timestamp)>();
    // A payload may be sent, but not shared.
    sent::<Fault>();
};

/// Futures, which have no names: each may wait on a thread of its own.
#[test]
fn every_wait_may_move_between_threads() {
    fn sent<F: Future + Send>(future: F) {
        drop(future);
    }
    let ctx = Context::root();
    sent(ctx.cancelled());
    sent(ctx.run(async {}));
    sent(ctx.sleep(Duration::ZERO));
    sent(catch_async(async {}));
    let door = Bulkhead::new("test", 1, bulkhead::Options::default()).unwrap();
    sent(door.enter(&ctx));
    sent(Group::<u8>::new(&ctx).join());
    sent(Tracker::new("test").wait());
    let pool = Pool::new(1, pool::Options::default()).unwrap();
    sent(pool.submit(&ctx, |_| async { Ok(()) }));
    sent(pool.drain(&ctx));
    sent(pool.shutdown());
}
