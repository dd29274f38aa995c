//! A limit that is shared through a store.

mod calls;
mod outages;
mod shares;

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use linchpin::resilience::limiter::shared::{
    Answer, DynRateStore, Memory, OnStoreError, Options, RateStore, Shared, Visit,
};
use linchpin::resilience::limiter::{Decision, Rate};
use linchpin::resilience::{Failed, FailedKind, Refusal};
use linchpin::time::Instant;
use linchpin::{Context, Error, Kind};

use super::{ms, pass};

/// How the store is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mood {
    Well,
    /// It answers with an error.
    Ill,
    /// It never answers.
    Hangs,
    /// It answers so much later.
    Slow(Duration),
    /// It does what it is asked, and the answer is lost.
    LosesAnswers,
    Panics,
}

struct Store {
    memory: Mutex<Arc<Memory>>,
    mood: Mutex<Mood>,
    asked: AtomicU64,
    epoch: AtomicU64,
}

impl Store {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            memory: Mutex::new(Arc::new(Memory::new("store", 100).unwrap())),
            mood: Mutex::new(Mood::Well),
            asked: AtomicU64::new(0),
            epoch: AtomicU64::new(1),
        })
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn memory(&self) -> Arc<Memory> {
        self.memory.lock().unwrap().clone()
    }

    /// Forgets all it knows.
    fn loses_all(&self) {
        *self.memory.lock().unwrap() = Arc::new(Memory::new("store", 100).unwrap());
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    async fn behave<T>(
        &self,
        answer: impl Future<Output = linchpin::Result<T>>,
    ) -> linchpin::Result<T> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mood = *self.mood.lock().unwrap();
        let ill = || Err(Error::new(Kind::Unavailable, "ill"));
        match mood {
            Mood::Well => answer.await,
            Mood::Ill => ill(),
            Mood::Hangs => pending().await,
            Mood::Slow(wait) => {
                tokio::time::sleep(wait).await;
                answer.await
            }
            Mood::LosesAnswers => {
                drop(answer.await);
                ill()
            }
            Mood::Panics => std::panic::resume_unwind(Box::new("planned")),
        }
    }
}

/// A handle of it, as each process has one.
#[derive(Clone)]
struct Handle(Arc<Store>);

impl RateStore for Handle {
    async fn take<'a>(&'a self, visit: &'a Visit<'a>) -> linchpin::Result<Answer> {
        let memory = self.0.memory();
        self.0.behave(memory.take(visit)).await
    }

    async fn penalize<'a>(&'a self, visit: &'a Visit<'a>) -> linchpin::Result<()> {
        let memory = self.0.memory();
        self.0.behave(memory.penalize(visit)).await
    }

    async fn epoch(&self) -> linchpin::Result<u64> {
        Ok(self.0.epoch.load(Ordering::SeqCst))
    }
}

/// One each 100 ms, five at once.
fn five(store: &Arc<Store>, then: OnStoreError) -> Shared<Handle> {
    let options = Options::default().burst(5).on_store_error(then);
    Shared::new("test", Rate::per_second(10), options, Handle(store.clone())).unwrap()
}

async fn take<S: RateStore>(limiter: &Shared<S>) -> Result<Decision, Failed> {
    limiter.take(&Context::root(), "ann", 1).await
}

fn refused<T: std::fmt::Debug>(taken: Result<T, Failed>) -> Refusal {
    match taken.unwrap_err().into_kind() {
        FailedKind::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

/// How many pass until one does not.
async fn drain<S: RateStore>(limiter: &Shared<S>) -> u32 {
    let mut passed = 0;
    while take(limiter).await.is_ok() {
        passed += 1;
    }
    passed
}

#[tokio::test(start_paused = true)]
async fn two_processes_share_a_burst_and_each_key_has_its_own() {
    let store = Store::new();
    let (one, two) = (five(&store, OnStoreError::Closed), five(&store, OnStoreError::Closed));
    assert_eq!(take(&one).await.unwrap().remaining(), 4);
    assert_eq!(take(&two).await.unwrap().remaining(), 3);
    assert_eq!(drain(&one).await, 3);
    let refusal = refused(take(&two).await);
    assert_eq!(refusal.retry_after, Some(ms(100)));
    let text = "limiter `test` refused `ann`: its rate is used up (5 of 5), try again in 100ms";
    assert_eq!(refusal.to_string(), text);
    let decision = two.take(&Context::root(), "bob", 5).await.unwrap();
    assert_eq!((decision.limit(), decision.remaining()), (5, 0));
    assert_eq!((decision.reset_after(), decision.waited()), (ms(500), Duration::ZERO));
    let never = refused(two.take(&Context::root(), "bob", 6).await);
    assert_eq!((never.kind, never.retry_after), (Kind::InvalidArgument, None));
    let look = one.take(&Context::root(), "ann", 0).await.unwrap();
    assert_eq!((look.remaining(), look.waited()), (0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn several_rates_are_taken_together_and_who_refuses_is_told() {
    let options = Options::default().burst(3).also(Rate::per_hour(5), 5);
    let store = Memory::new("store", 10).unwrap();
    let limiter = Shared::new("test", Rate::per_second(10), options, store).unwrap();
    assert_eq!(drain(&limiter).await, 3);
    pass(ms(10_000)).await;
    assert_eq!(drain(&limiter).await, 2);
    let refusal = refused(take(&limiter).await);
    assert_eq!((refusal.used, refusal.limit), (5, 5));
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(12 * 60 - 10)));
}

// L13
// L6, L8
#[tokio::test(start_paused = true)]
async fn whoever_waits_has_its_turn_or_is_refused_at_once() {
    let store = Store::new();
    let limiter = five(&store, OnStoreError::Closed);
    assert_eq!(drain(&limiter).await, 5);
    let began = Instant::now();
    let ctx = Context::root();
    let turns = (0..5).map(async |_| {
        limiter.acquire(&ctx, "ann", 1).await.unwrap();
        began.elapsed()
    });
    assert_eq!(join_all(turns).await, [ms(100), ms(200), ms(300), ms(400), ms(500)]);
    let hurried = ctx.with_timeout(ms(50));
    assert_eq!(refused(limiter.acquire(&hurried, "ann", 1).await).retry_after, Some(ms(100)));
    let reserved = limiter.reserve(&ctx, "ann", 1, ms(100)).await.unwrap();
    assert_eq!(reserved.waited(), ms(100));
    assert_eq!(refused(limiter.reserve(&ctx, "ann", 1, ms(199)).await).retry_after, Some(ms(200)));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_longest_wait() {
    let options = Options::default().burst(1).longest_wait(ms(150));
    let store = Memory::new("store", 10).unwrap();
    let limiter = Shared::new("test", Rate::per_second(10), options, store).unwrap();
    let ctx = Context::root();
    take(&limiter).await.unwrap();
    limiter.reserve(&ctx, "ann", 1, ms(10_000)).await.unwrap();
    let refusal = refused(limiter.reserve(&ctx, "ann", 1, ms(10_000)).await);
    assert_eq!(refusal.retry_after, Some(ms(200)));
    let error = limiter.penalize(&ctx, "ann", ms(151)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn a_penalty_holds_with_the_store_and_without() {
    let store = Store::new();
    let limiter = five(&store, OnStoreError::LocalShare(1));
    let ctx = Context::root();
    limiter.penalize(&ctx, "ann", ms(1_000)).await.unwrap();
    assert_eq!(refused(take(&limiter).await).retry_after, Some(ms(1_000)));
    pass(ms(1_000)).await;
    assert_eq!(drain(&limiter).await, 1);
    store.is(Mood::Ill);
    limiter.penalize(&ctx, "ann", ms(2_000)).await.unwrap();
    assert_eq!(refused(take(&limiter).await).retry_after, Some(ms(2_000)));
}

#[tokio::test(start_paused = true)]
async fn other_numbers_hold_from_then_on() {
    let store = Store::new();
    let limiter = five(&store, OnStoreError::Closed);
    assert_eq!(drain(&limiter).await, 5);
    limiter.reconfigure(Rate::per_second(100), Options::default().burst(1)).unwrap();
    assert_eq!(limiter.rate(), Rate::per_second(100));
    // Half a second is owed as it was: the longest wait is more than that.
    assert_eq!(refused(take(&limiter).await).retry_after, Some(ms(500)));
    assert!(limiter.reconfigure(Rate::per_second(0), Options::default()).is_err());
    assert_eq!(limiter.rate(), Rate::per_second(100));
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let build = |rate, options: Options| {
        Shared::new("test", rate, options, Memory::new("store", 1).unwrap())
            .map(drop)
            .map_err(|why| why.to_string())
    };
    let usual = Rate::per_second(10);
    let options = Options::default;
    for (rate, options, why) in [
        (Rate::per_second(0), options(), "nothing would ever pass"),
        (usual, options().burst(0), "nothing would ever pass"),
        (usual, options().also(Rate::per_second(0), 1), "nothing would ever pass"),
        (Rate::per_second(3_000_000), options(), "cannot be kept to a percent"),
        (usual, options().timeout(Duration::ZERO), "`timeout` is 0ns"),
        (usual, options().ask_again(Duration::ZERO), "`ask_again` is 0ns"),
        (usual, options().longest_wait(Duration::MAX), "at most ten years"),
        (usual, options().max_local_keys(0), "it would keep no key"),
        (usual, options().on_store_error(OnStoreError::LocalShare(0)), "a share among none"),
        (
            Rate::per_hour(1),
            options().on_store_error(OnStoreError::LocalShare(u32::MAX)),
            "ten years",
        ),
        (Rate::per_hour(1), options().burst(u32::MAX), "last for more than ten years"),
    ] {
        let found = build(rate, options).unwrap_err();
        assert!(found.contains(why), "{found}");
    }
    let four = (0..4).fold(options(), |options, _| options.also(usual, 1));
    assert!(build(usual, four).unwrap_err().contains("5 rates for one key"));
    assert!(build(usual, options()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_of_many_stores_is_held_as_an_object() {
    let store: Arc<dyn DynRateStore> = Arc::new(Memory::new("store", 10).unwrap());
    let options = Options::default().burst(2);
    let limiter: Shared = Shared::new("test", Rate::per_second(1), options, store).unwrap();
    assert_eq!(drain(&limiter).await, 2);
    limiter.penalize(&Context::root(), "ann", ms(5_000)).await.unwrap();
    assert_eq!(refused(take(&limiter).await).retry_after, Some(ms(5_000)));
}

#[tokio::test(start_paused = true)]
async fn the_store_of_a_process_forgets_what_is_over_and_shares_beyond_its_keys() {
    let store = Store::new();
    let limiter = five(&store, OnStoreError::Closed);
    let ctx = Context::root();
    for key in 0..100 {
        limiter.take(&ctx, &key.to_string(), 1).await.unwrap();
    }
    assert_eq!(store.memory().len(), 100);
    for key in ["a", "b"] {
        limiter.take(&ctx, key, 1).await.unwrap();
    }
    let crowded = limiter.take(&ctx, "c", 1).await.unwrap();
    assert_eq!((store.memory().len(), crowded.remaining()), (100, 2), "they share a bucket");
    pass(ms(1_000)).await;
    for key in 0..100 {
        drop(limiter.take(&ctx, &format!("new {key}"), 1).await);
    }
    assert!(store.memory().len() <= 100 && !store.memory().is_empty());
}
