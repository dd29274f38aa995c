//! The cell that knows its work.

use std::sync::atomic::{AtomicUsize, Ordering};

use linchpin::sync::once::Lazy;
use linchpin::{Context, error};

use super::callee;

#[test]
fn a_lazy_value_is_made_when_it_is_needed_and_then_is_there() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    static LAZY: Lazy<String> = Lazy::new(|| {
        MADE.fetch_add(1, Ordering::SeqCst);
        "made".to_owned()
    });
    assert_eq!((LAZY.peek(), MADE.load(Ordering::SeqCst)), (None, 0));
    assert_eq!((LAZY.len(), LAZY.get().as_str()), (4, "made"));
    assert_eq!(MADE.load(Ordering::SeqCst), 1);
    assert_eq!(format!("{LAZY:?}"), "Lazy(\"made\")");
    assert_eq!(*Lazy::<u32>::default(), 0);
}

#[test]
fn lazy_work_that_panics_is_called_again_where_stds_is_poisoned() {
    let calls = AtomicUsize::new(0);
    let lazy = Lazy::new(|| {
        assert!(calls.fetch_add(1, Ordering::SeqCst) > 0, "planted");
        5
    });
    assert!(error::catch(|| *lazy).is_err());
    assert_eq!((*lazy, calls.load(Ordering::SeqCst)), (5, 2));
}

#[tokio::test]
async fn lazy_work_that_fails_or_waits_is_called_until_it_succeeds() {
    let (calls, ctx) = (AtomicUsize::new(0), Context::root());
    let attempt = || match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Err("down"),
        calls => Ok(calls),
    };
    let mut lazy = Lazy::new(attempt);
    assert_eq!((lazy.try_get(), lazy.try_get(), lazy.try_get()), (Err("down"), Ok(&1), Ok(&1)));
    assert_eq!((lazy.reset(), lazy.peek()), (Some(1), None));
    assert_eq!(lazy.try_get(), Ok(&2));

    calls.store(0, Ordering::SeqCst);
    let lazy = Lazy::new(async || attempt());
    assert_eq!(callee(lazy.load(&ctx).await), "down");
    assert_eq!((lazy.load(&ctx).await.unwrap(), lazy.load(&ctx).await.unwrap()), (&1, &1));
}
