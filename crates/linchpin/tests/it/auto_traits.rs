//! What may be sent between threads and shared by them: this file compiles, or it is not so.

use std::time::Duration;

use futures_util::stream::Iter;
use linchpin::context::{Cancelled, Cause, Child, Context, Ended};
use linchpin::error::{Error, Kind, Panicked, catch_async};
use linchpin::resilience::admitted;
use linchpin::resilience::breaker::{self, Breaker, Registry};
use linchpin::resilience::bulkhead::{self, Bulkhead};
use linchpin::resilience::chaos::{self, Chaos};
use linchpin::resilience::coalesce::Coalesce;
use linchpin::resilience::fallback::{self, Degraded, Fallback, Served};
use linchpin::resilience::hedge::{self, Hedge};
use linchpin::resilience::limiter::shared::{Memory, Shared};
use linchpin::resilience::limiter::{
    self, Decision, IpKey, Keyed, KeyedOptions, Limiter, Rate, Reservation,
};
use linchpin::resilience::outlier::{self, Balancer, Picked};
use linchpin::resilience::retry::{self, Attempt, Budget, Jitter, Pace, Retry, Schedule, Tried};
use linchpin::resilience::throttle::{self, Throttle};
use linchpin::resilience::timeout::{self, Timeout};
use linchpin::resilience::{BadOptions, Failed, FailedKind, Priority, Refusal};
use linchpin::sync::bus::{self, Batch, Bus, Listed, Message, Subscriber, Topic};
use linchpin::sync::channel;
use linchpin::sync::counter::{Counter, Gauge};
use linchpin::sync::event::{Barrier, Event, Latch, Passed, UnderWay, WaitGroup};
use linchpin::sync::lanes::{self, Lanes};
use linchpin::sync::once::{Current, Lazy, Once, Renewable};
use linchpin::sync::packed::Packed;
use linchpin::sync::select::{self, Set};
use linchpin::sync::semaphore::{self, At, Semaphore};
use linchpin::sync::singleflight;
use linchpin::sync::striped::{Lock, Map};
use linchpin::sync::watched::{Viewer, Watched};
use linchpin::task::fan::{FanOut, Share};
use linchpin::task::pace::{Paced, Pusher};
use linchpin::task::pipeline::{self, DeadLetter, Numbers, Pipeline};
use linchpin::task::pool::{self, BlockingPool, Handle, NotSubmitted, Pool, Report, Unstarted};
use linchpin::task::stream::Yielder;
use linchpin::task::supervisor::{GaveUp, Health, Monitor, Supervisor};
use linchpin::task::{Fault, Group, Live, Scope, Task, Ticker, Timer, Tracker};
use linchpin::time::{Instant, Timestamp};

const fn sent<T: Send>() {}
const fn shared<T: Send + Sync>() {}

const _: () = {
    shared::<(Cancelled<'_>, Cause, Child, Context, Ended)>();
    shared::<(Error, Kind, Panicked)>();
    shared::<(breaker::Options, Breaker, breaker::Permit<'_>, admitted::Layer<Breaker>)>();
    shared::<(Registry<String>, breaker::RegistryOptions, breaker::Numbers)>();
    shared::<(breaker::fleet::Fleet, breaker::fleet::Options, breaker::fleet::Numbers)>();
    shared::<(breaker::fleet::Memory, breaker::fleet::Counts, breaker::fleet::Told<'_>)>();
    shared::<(bulkhead::Options, bulkhead::Discipline, Bulkhead, bulkhead::At<'_>)>();
    shared::<(bulkhead::Permit<'_>, bulkhead::Layer, bulkhead::Numbers)>();
    shared::<(retry::Options, Retry, retry::Layer, Attempt<'_>, Budget, Pace)>();
    shared::<Coalesce<u8, u8>>();
    shared::<(hedge::Options, Hedge, hedge::Layer, hedge::Numbers, retry::Tried<String>)>();
    shared::<(fallback::Options, Fallback, fallback::Numbers, Degraded, Served<u8>)>();
    shared::<(throttle::Options, Throttle, throttle::Permit<'_>, admitted::Layer<Throttle>)>();
    shared::<(outlier::Options, Balancer<u8>, Picked<'_, u8>, outlier::Target<u8>, Tried<u8>)>();
    shared::<(chaos::Options<u8, Error>, Chaos<u8, Error>, chaos::Injected, chaos::Rate)>();
    // It holds none of them.
    shared::<Chaos<std::rc::Rc<u8>, std::cell::Cell<u8>>>();
    shared::<(Timeout, timeout::Layer, timeout::Numbers)>();
    shared::<(limiter::Options, Limiter, limiter::Layer, Rate, Decision, Reservation)>();
    shared::<(Shared, Shared<Memory>, limiter::shared::Options, limiter::shared::Numbers)>();
    shared::<(limiter::shared::Answer, limiter::shared::Quota, limiter::shared::Visit<'_>)>();
    shared::<(Keyed<String>, Keyed<IpKey>, KeyedOptions)>();
    shared::<Priority>();
    shared::<(Jitter, Schedule, BadOptions, Failed<Error>, FailedKind<Error>, Refusal)>();
    shared::<(pool::Options, Pool, BlockingPool, Handle<u8>, NotSubmitted<u8>)>();
    shared::<(Report, Unstarted)>();
    shared::<(Group<u8>, Live, Task<u8>, Ticker, Timer, Tracker)>();
    shared::<(Instant, Timestamp)>();
    shared::<(channel::Sender<u8>, channel::Receiver<u8>, channel::Permit<'_, u8>)>();
    shared::<(channel::LossySender<u8>, channel::LossyReceiver<u8>, channel::SendError<u8>)>();
    shared::<(Set<u8, std::future::Ready<u8>>, Pusher<u8>, Paced<u8>)>();
    shared::<(semaphore::Options, Semaphore, At<'_>)>();
    shared::<(semaphore::Permit, semaphore::Permit<&Semaphore>)>();
    shared::<(bus::Options, Bus<u8>, Topic<u8>, Subscriber<u8>, Message<'_, u8>, Batch<'_, u8>)>();
    shared::<(bus::Subscription, bus::RecvError, bus::Numbers, Listed)>();
    shared::<(Event, Latch, WaitGroup, UnderWay, Barrier, Passed)>();
    shared::<(Watched<u8>, Viewer<u8>)>();
    // An item may be sent, but not shared.
    shared::<(lanes::Options, Lanes<u8, u8, std::cell::Cell<u8>>, lanes::Seat<u8, u8, u8>)>();
    shared::<(lanes::Started<u8, u8, u8>, lanes::Visit<u8, u8, u8>)>();
    shared::<(Supervisor, Monitor, Health, GaveUp)>();
    shared::<(pipeline::Options<u8>, Numbers, DeadLetter<u8>, Share<u8>, Yielder<u8>)>();
    shared::<(Counter, Gauge, Packed<linchpin::sync::counter::Reading>)>();
    shared::<(Lock<u8>, Map<u8, String>)>();
    shared::<(singleflight::Group<u8, u8>, singleflight::Options, singleflight::Numbers)>();
    shared::<(Once<u8>, Lazy<u8>, Renewable<u8>, Current<u8>)>();
    sent::<Pipeline<Iter<std::vec::IntoIter<u8>>>>();
    sent::<(FanOut<Iter<std::vec::IntoIter<u8>>>, Scope<'_, u8>)>();
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
    let breaker = Breaker::new("test", breaker::Options::default()).unwrap();
    sent(breaker.call(&ctx, || async { Ok::<_, Error>(1) }));
    let retry = Retry::new("test", retry::Options::default()).unwrap();
    let throttle = Throttle::new("test", throttle::Options::default()).unwrap();
    sent(throttle.call(&ctx, || async { Ok::<_, Error>(1) }));
    let (hosts, tried) =
        (Balancer::new("test", ["a"], outlier::Options::default()).unwrap(), Tried::default());
    sent(hosts.call(&ctx, &tried, |_| async { Ok::<_, Error>(1) }));
    let chaos = Chaos::new("test", |_| true, chaos::Options::default()).unwrap();
    sent(chaos.call(&ctx, || async { Ok::<_, Error>(1) }));
    let timeout = Timeout::new("test", Duration::from_secs(1)).unwrap();
    sent(timeout.call(&ctx, || async { Ok::<_, Error>(1) }));
    sent(timeout.wait(&ctx, |_| async { Ok::<_, Error>(1) }));
    sent(timeout.abandon(&ctx, "test", async { Ok::<_, Error>(1) }));
    sent(retry.call(&ctx, |_| async { Ok::<_, Error>(1) }));
    let hedge = Hedge::new("test", hedge::Options::default()).unwrap();
    sent(hedge.call(&ctx, |_| async { Ok::<_, Error>(1) }));
    let coalesce: Coalesce<u8, u8> =
        Coalesce::new("test", singleflight::Options::default()).unwrap();
    sent(coalesce.call(&ctx, 1, |_| async { Ok(1) }));
    let fallback = Fallback::new("test", fallback::Options::default()).unwrap();
    sent(fallback.call(&ctx, || async { Ok::<_, Error>(1) }, |_| async { Ok(2) }));
    sent(fallback.call_or(&ctx, || async { Ok::<_, Error>(1) }, 2));
    let limiter = Limiter::new("test", Rate::per_second(1), limiter::Options::default()).unwrap();
    sent(limiter.acquire(&ctx, 1));
    let store = Memory::new("test", 1).unwrap();
    let options = limiter::shared::Options::default();
    let fleet = Shared::new("test", Rate::per_second(1), options, store).unwrap();
    sent(fleet.take(&ctx, "ann", 1));
    sent(fleet.reserve(&ctx, "ann", 1, Duration::ZERO));
    sent(fleet.acquire(&ctx, "ann", 1));
    sent(fleet.penalize(&ctx, "ann", Duration::ZERO));
    sent(limiter.call(&ctx, || async { Ok::<_, Error>(1) }));
    let door = Bulkhead::new("test", 1, bulkhead::Options::default()).unwrap();
    sent(door.enter(&ctx));
    sent(door.enter_owned(&ctx));
    sent(door.call(&ctx, || async { Ok::<_, Error>(1) }));
    let semaphore = Semaphore::new(1, semaphore::Options::default()).unwrap();
    sent(semaphore.acquire(&ctx, 1));
    sent(semaphore.acquire_owned(&ctx, 1));
    let bus = Bus::<u8>::new();
    sent(bus.topic("a").unwrap().publish(&ctx, 1));
    sent(bus.subscribe("a", bus::Subscription::default()).unwrap().recv(&ctx));
    let once = Once::<u8>::new();
    sent(once.get_or_load(&ctx, || async { Ok::<_, Error>(1) }));
    let flights: singleflight::Group<u8, u8> =
        singleflight::Group::new(singleflight::Options::default()).unwrap();
    sent(flights.run(&ctx, 1, |_| async { Ok(1) }));
    sent(Event::new().wait(&ctx));
    sent(Barrier::new(1).unwrap().wait(&ctx));
    let lanes = Lanes::<u8, u8, u8>::new(1, lanes::Options::default()).unwrap();
    sent(lanes.next(&ctx));
    sent(lanes.visits(&ctx, 1));
    sent(lanes.unlisted(&ctx));
    sent(Watched::new(1).viewer().changed(&ctx));
    sent(Group::<u8>::new(&ctx).join());
    sent(Tracker::new("test").wait());
    let pool = Pool::new(1, pool::Options::default()).unwrap();
    sent(pool.submit(&ctx, |_| async { Ok(()) }));
    sent(pool.drain(&ctx));
    sent(pool.shutdown());
    let mut ticker = Ticker::every(Duration::from_secs(1)).unwrap();
    sent(ticker.tick(&ctx));
    let (tx, mut rx) = channel::bounded(1).unwrap();
    sent(select::fair(&ctx, (tx.send(&ctx, 1), rx.recv(&ctx))));
    let (_, mut latest) = channel::latest::<u8>();
    sent(select::biased(&ctx, (latest.recv(&ctx), select::maybe(Some(async {})))));
    sent(select::within(&ctx, Duration::ZERO, async {}));
    let supervisor =
        Supervisor::new("test", linchpin::task::supervisor::Options::default()).unwrap();
    let mut monitor = supervisor.monitor();
    sent(supervisor.run(&ctx));
    sent(monitor.healthy(&ctx));
    let mut timer = Timer::stopped();
    sent(timer.wait(&ctx));
}
