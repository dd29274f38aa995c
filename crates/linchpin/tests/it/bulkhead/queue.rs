//! Who is next, and for how long one waits.

use std::task::Poll;

use futures_util::FutureExt as _;
use linchpin::Context;
use linchpin::context::Cause;
use linchpin::resilience::bulkhead::{Bulkhead, Discipline, Options};
use linchpin::resilience::{FailedKind, Outcome, Priority};
use linchpin::time::Instant;
use linchpin::{Error, Kind};
use linchpin_testing::steps::poll_by_hand;
use tokio::join;

use super::{bulkhead, crowd, ms, patient, queue, refused, waiter};

/// In which order those come in whose priorities these are, of the contexts or said.
fn order(options: Options, comers: &[(Option<Priority>, Option<Priority>)]) -> Vec<usize> {
    let bulkhead = bulkhead(1, options);
    let mut held = Some(bulkhead.try_enter_owned().unwrap());
    let mut waiters: Vec<_> = comers
        .iter()
        .map(|(of_context, said)| {
            let (bulkhead, said) = (bulkhead.clone(), *said);
            let ctx = of_context.map_or(Context::root(), |it| Context::root().with_value(it));
            let mut waiter = poll_by_hand(async move {
                match said {
                    Some(priority) => bulkhead.at(priority).enter_owned(&ctx).await,
                    None => bulkhead.enter_owned(&ctx).await,
                }
            });
            assert!(waiter.poll().is_pending());
            Some(waiter)
        })
        .collect();
    let mut order = Vec::new();
    while order.len() < comers.len() {
        held.take();
        for (number, waiter) in waiters.iter_mut().enumerate() {
            let Some(woken) = waiter.as_mut().filter(|waiter| waiter.wakes() > 0) else { continue };
            let Poll::Ready(permit) = woken.poll() else { panic!("woken for nothing") };
            held = Some(permit.unwrap());
            order.push(number);
            *waiter = None;
        }
    }
    order
}

#[test]
fn the_more_critical_go_first_by_what_their_context_or_the_call_says() {
    use Priority::{Critical, CriticalPlus, Sheddable, SheddablePlus};
    let comers = [
        (None, Some(Sheddable)),
        (None, None),
        (Some(SheddablePlus), None),
        (Some(Critical), None),
        (Some(Sheddable), Some(CriticalPlus)),
        (None, Some(Sheddable)),
    ];
    assert_eq!(order(patient(8), &comers), [4, 1, 3, 2, 0, 5]);
    let newest_first = patient(8).discipline(Discipline::Lifo);
    assert_eq!(order(newest_first, &comers), [4, 3, 1, 2, 5, 0]);
}

#[test]
fn the_least_critical_has_a_turn_after_sixteen_that_passed() {
    let mut comers = vec![(None, Some(Priority::Sheddable))];
    comers.extend([(None, Some(Priority::CriticalPlus)); 20]);
    for options in [patient(32), patient(32).discipline(Discipline::Lifo)] {
        let order = order(options, &comers);
        assert_eq!(order.iter().position(|number| *number == 0), Some(16));
    }
}

#[test]
fn a_place_that_was_granted_to_one_that_is_dropped_goes_to_the_next() {
    for (discipline, next, last) in [(Discipline::Fifo, 0, 1), (Discipline::Lifo, 1, 0)] {
        let bulkhead = bulkhead(1, patient(2).discipline(discipline));
        let held = bulkhead.try_enter().unwrap();
        let mut waiters = [(); 2].map(|()| Some(waiter(&bulkhead)));
        drop(held);
        let wakes = |waiters: &[Option<_>; 2], which: usize| {
            let waiter: &Option<linchpin_testing::steps::Poller<_>> = &waiters[which];
            waiter.as_ref().unwrap().wakes()
        };
        assert_eq!((wakes(&waiters, next), wakes(&waiters, last)), (1, 0));
        waiters[next] = None;
        assert_eq!(wakes(&waiters, last), 1);
        let Poll::Ready(Ok(permit)) = waiters[last].as_mut().unwrap().poll() else {
            panic!("lost with a waiter")
        };
        assert_eq!(crowd(&bulkhead), (1, 0));
        drop(permit);
    }
}

#[tokio::test(start_paused = true)]
async fn weights_are_taken_together_and_what_can_never_be_is_refused_at_once() {
    let (ctx, bulkhead) = (Context::root(), bulkhead(4, patient(4)));
    let three = bulkhead.weighing(3).enter(&ctx).await.unwrap();
    assert_eq!((three.weight(), crowd(&bulkhead)), (3, (3, 0)));
    let mut heavy = Box::pin(bulkhead.weighing(2).enter(&ctx));
    assert!((&mut heavy).now_or_never().is_none());
    // One would do for it, but nobody goes before the line.
    let refusal = bulkhead.try_enter().unwrap_err();
    assert_eq!((refusal.reason, crowd(&bulkhead)), ("others wait", (3, 1)));
    three.record(Outcome::Success);
    drop(heavy.await.unwrap());
    assert_eq!(crowd(&bulkhead), (0, 0));

    let refusal = refused(bulkhead.weighing(5).call(&ctx, async || Ok::<_, ()>(())).await);
    assert_eq!(refusal.to_string(), "bulkhead `test` refused: more than there are (5 of 4)");
    assert_eq!(refusal.kind, Kind::InvalidArgument);
    assert_eq!(bulkhead.numbers().too_heavy, 1);
    assert!(bulkhead.weighing(5).try_enter_owned().is_err());
}

#[tokio::test(start_paused = true)]
async fn who_waits_comes_in_when_it_grows_and_is_refused_if_it_gets_too_small_for_it() {
    let (ctx, bulkhead) = (Context::root(), bulkhead(2, patient(8)));
    let _two = bulkhead.weighing(2).enter(&ctx).await.unwrap();
    let mut one = waiter(&bulkhead);
    bulkhead.resize(3).unwrap();
    let Poll::Ready(Ok(_one)) = one.poll() else { panic!("there is a place") };
    let mut two = Box::pin(bulkhead.weighing(2).enter(&ctx));
    assert!((&mut two).now_or_never().is_none());
    bulkhead.resize(1).unwrap();
    let refusal = refused(two.await);
    assert_eq!((refusal.reason, refusal.limit), ("more than there are", 1));
    assert_eq!(crowd(&bulkhead), (3, 0));
    assert!(bulkhead.resize(0).is_err());
    assert_eq!(bulkhead.numbers().max_concurrent, 1, "a mistake changes nothing");
}

#[tokio::test(start_paused = true)]
async fn other_options_are_for_who_comes_and_what_was_counted_stays() {
    let (ctx, bulkhead) = (Context::root(), bulkhead(1, queue(2, ms(100))));
    let began = Instant::now();
    let _taken = bulkhead.enter(&ctx).await.unwrap();
    let mut old = Box::pin(bulkhead.enter(&ctx));
    assert!((&mut old).now_or_never().is_none());
    let bad = bulkhead.reconfigure(Options::default().max_queue(1)).unwrap_err();
    assert!(bad.to_string().contains("in which nobody may wait"), "{bad}");

    bulkhead.reconfigure(Options::default()).unwrap();
    let refusal = refused(bulkhead.enter(&ctx).await);
    assert_eq!((refusal.reason, crowd(&bulkhead)), ("full", (1, 1)));
    bulkhead.reconfigure(queue(2, ms(10)).discipline(Discipline::codel())).unwrap();
    let mut new = Box::pin(bulkhead.enter(&ctx));
    assert!((&mut new).now_or_never().is_none());
    assert_eq!(crowd(&bulkhead), (1, 2));
    let (old, new) = join!(async { (refused(old.await).reason, began.elapsed()) }, async {
        (refused(new.await).reason, began.elapsed())
    },);
    let reason = "no place within the longest wait";
    assert_eq!((old, new), ((reason, ms(100)), (reason, ms(10))));
    let numbers = bulkhead.numbers();
    assert_eq!((numbers.queue_full, numbers.wait_timeout, numbers.max_queue), (1, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn another_discipline_is_for_who_waits_already() {
    let bulkhead = bulkhead(1, patient(2));
    let held = bulkhead.try_enter().unwrap();
    let (first, second) = (waiter(&bulkhead), waiter(&bulkhead));
    bulkhead.reconfigure(patient(2).discipline(Discipline::Lifo)).unwrap();
    drop(held);
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_context_that_ends_in_the_queue_ends_the_wait_and_is_no_refusal() {
    let (bulkhead, ctx) = (bulkhead(1, patient(1)), Context::root().child());
    let held = bulkhead.try_enter().unwrap();
    let mut wait = Box::pin(bulkhead.enter(&ctx));
    assert!((&mut wait).now_or_never().is_none());
    // Both at once: the place is as good for the next.
    drop(held);
    ctx.cancel(Cause::Shutdown);
    let failed = wait.await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Ended(_)), "{failed:?}");
    assert_eq!(crowd(&bulkhead), (0, 0));
    let numbers = bulkhead.numbers();
    assert_eq!((numbers.queue_full, numbers.wait_timeout), (0, 0));
}

/// Two bulkheads in both orders wait for each other, as locks do; what ends it is the longest wait.
#[tokio::test(start_paused = true)]
async fn bulkheads_in_two_orders_wait_for_each_other_until_the_longest_wait() {
    let (ctx, one, other) =
        (Context::root(), bulkhead(1, queue(1, ms(50))), bulkhead(1, queue(1, ms(80))));
    let both = async |first: &Bulkhead, second: &Bulkhead| {
        let _outer = first.enter(&ctx).await.unwrap();
        tokio::task::yield_now().await;
        let began = Instant::now();
        let entered = second.enter(&ctx).await;
        (entered.is_ok(), began.elapsed())
    };
    let (there, back) = join!(both(&one, &other), both(&other, &one));
    // The first to give up lets the other in.
    assert_eq!((there, back), ((true, ms(50)), (false, ms(50))));
}

#[test]
fn what_is_wrong_is_said_and_why() {
    let mut errors = vec![
        (Bulkhead::new("db", 0, Options::default()), "no place at all; say at least 1"),
        (Bulkhead::new("db", usize::MAX, Options::default()), "the most is"),
    ];
    let with = |options| Bulkhead::new("db", 1, options);
    let codel = |target, interval| {
        let discipline = Discipline::CoDel { target: ms(target), interval: ms(interval) };
        with(Options::default().max_queue(1).discipline(discipline))
    };
    errors.extend([
        (with(Options::default().max_queue(1)), "a queue of 1 in which nobody may wait"),
        (with(Options::default().max_wait(ms(1))), "but has no queue"),
        (with(Options::default().discipline(Discipline::codel())), "but has no queue"),
        (codel(0, 100), "0ns in a queue that stands"),
        (codel(100, 100), "less than the other"),
        (codel(5, 1_000 * 3_600 * 24 * 366), "at most a year"),
    ]);
    for (built, why) in errors {
        let error = built.unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("bad options for Bulkhead: `db` ") && text.contains(why),
            "{text}"
        );
        assert_eq!(Error::from(error).kind(), Kind::InvalidArgument);
    }
}
