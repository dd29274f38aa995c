//! Whatever is done in whatever order: a number and a list of names say the same after every step.

use linchpin::context::{Child, Context, Ended};
use linchpin::sync::event::{UnderWay, WaitGroup};
use linchpin_testing::steps::{Poller, poll_by_hand};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    Clone(usize),
    Done(usize),
    Wait,
    Come(usize),
    DropWaiter(usize),
    EndWaiter(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let which = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    prop_oneof![
        4 => Just(Step::Begin),
        1 => which().prop_map(Step::Clone),
        7 => which().prop_map(Step::Done),
        6 => Just(Step::Wait),
        6 => which().prop_map(Step::Come),
        2 => which().prop_map(Step::DropWaiter),
        2 => which().prop_map(Step::EndWaiter),
    ]
}

type Wait = std::pin::Pin<Box<dyn Future<Output = Result<(), Ended>>>>;

struct Waiter {
    ctx: Child,
    poller: Poller<Wait>,
    /// What the model says: nothing was under way since it came.
    is_over: bool,
    has_ended: bool,
}

proptest! {
    #[test]
    fn a_wait_group_is_a_number_and_those_who_wait(steps in prop::collection::vec(step(), 1..300)) {
        let (group, mut guards, mut waiters) = (WaitGroup::new(), Vec::<UnderWay>::new(), Vec::<Waiter>::new());
        for step in steps {
            match step {
                Step::Begin => guards.push(group.begin()),
                Step::Clone(which) if !guards.is_empty() => {
                    guards.push(guards[which % guards.len()].clone());
                }
                Step::Done(which) if !guards.is_empty() => {
                    drop(guards.swap_remove(which % guards.len()));
                    if guards.is_empty() {
                        for waiter in &mut waiters {
                            waiter.is_over = true;
                        }
                    }
                }
                Step::Wait => {
                    let (ctx, group) = (Context::root().child(), group.clone());
                    let under = Context::clone(&ctx);
                    let wait: Wait = Box::pin(async move { group.wait(&under).await });
                    let mut poller = poll_by_hand(wait);
                    let polled = poller.poll();
                    prop_assert_eq!(polled.is_ready(), guards.is_empty());
                    if polled.is_pending() {
                        waiters.push(Waiter { ctx, poller, is_over: false, has_ended: false });
                    }
                }
                Step::Come(which) if !waiters.is_empty() => {
                    let which = which % waiters.len();
                    let waiter = &mut waiters[which];
                    let polled = waiter.poller.poll();
                    prop_assert_eq!(polled.is_ready(), waiter.is_over || waiter.has_ended);
                    if let std::task::Poll::Ready(waited) = polled {
                        prop_assert_eq!(waited.is_ok(), waiter.is_over);
                        waiters.swap_remove(which);
                    }
                }
                Step::DropWaiter(which) if !waiters.is_empty() => {
                    drop(waiters.swap_remove(which % waiters.len()));
                }
                Step::EndWaiter(which) if !waiters.is_empty() => {
                    let which = which % waiters.len();
                    waiters[which].ctx.cancel("over");
                    waiters[which].has_ended = true;
                }
                _ => {}
            }
            prop_assert_eq!(group.len(), guards.len());
            for waiter in &waiters {
                prop_assert_eq!(waiter.poller.wakes() > 0, waiter.is_over || waiter.has_ended);
            }
        }
    }
}
