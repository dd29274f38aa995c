//! The value that becomes stale.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use linchpin::sync::once::Renewable;
use linchpin::{Context, task};
use linchpin_testing::steps::poll_by_hand;

#[tokio::test]
async fn a_reset_value_is_made_anew_and_the_old_one_stays_with_who_has_it() {
    let (cell, ctx) = (Renewable::new(), Context::root());
    assert!(cell.get().is_none());
    let old = cell.get_or_load(&ctx, async || Ok::<_, &str>(1)).await.unwrap();
    assert_eq!((*old, *cell.get().unwrap()), (1, 1));
    cell.reset();
    assert!(cell.get().is_none());
    let new = cell.get_or_try_init(|| Ok::<_, &str>(2)).unwrap();
    assert_eq!((*old.clone(), *new, *cell.get().unwrap()), (1, 2, 2));
    assert_eq!(format!("{cell:?} {new:?}"), "Renewable(Once(2)) Current(2)");
}

#[test]
fn a_value_begun_before_a_reset_is_never_given_to_who_comes_after() {
    let (cell, ctx) = (Arc::new(Renewable::new()), Context::root());
    let own = cell.clone();
    let mut before = poll_by_hand(async move {
        let work = async || {
            tokio::task::yield_now().await;
            Ok::<_, &str>("old")
        };
        *own.get_or_load(&Context::root(), work).await.unwrap()
    });
    assert!(before.poll().is_pending());
    cell.reset();
    let mut after = poll_by_hand(cell.get_or_load(&ctx, pending::<Result<&str, &str>>));
    assert!(after.poll().is_pending(), "it does not wait for the old one, and makes its own");
    assert_eq!(before.poll(), Poll::Ready("old"));
    assert!(cell.get().is_none(), "the old one is nobody's any more");
    drop(after);
    assert_eq!(*cell.get_or_try_init(|| Ok::<_, &str>("new")).unwrap(), "new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_find_the_value_stale_one_renews_it() {
    let (cell, made) = (Arc::new(Renewable::new()), Arc::new(AtomicUsize::new(0)));
    let make = |made: Arc<AtomicUsize>| async move {
        let number = made.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        Ok::<_, &str>(number)
    };
    for round in 0..100 {
        let stale = cell.get_or_load(&Context::root(), || make(made.clone())).await.unwrap();
        let users = (0..8).map(|_| {
            let (cell, made, stale) = (cell.clone(), made.clone(), stale.clone());
            task::spawn("one of many", async move {
                let replaced = cell.replace(&stale);
                let new = cell.get_or_load(&Context::root(), || make(made)).await.unwrap();
                assert_eq!(*new, round + 1);
                usize::from(replaced)
            })
        });
        let mut replaced = 0;
        for user in users.collect::<Vec<_>>() {
            replaced += user.join().await;
        }
        assert_eq!(replaced, 1, "the others found that it was replaced");
    }
}
