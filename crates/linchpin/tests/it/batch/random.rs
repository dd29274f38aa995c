//! Whatever is done in whatever order: a plain list says which batches are run, and who is answered.

use std::task::Poll;
use std::time::Duration;

use linchpin::Context;
use linchpin::context::Child;
use linchpin::resilience::Failed;
use linchpin::sync::batch::{Batch, Batcher, Options};
use linchpin_testing::steps::{Poller, poll_by_hand, settle};
use proptest::prelude::*;

use super::Seen;
use crate::paused;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// An item of so many bytes, whose answer is awaited.
    Submit(u32),
    Push(u32),
    DropSubmitter(usize),
    EndSubmitter(usize),
    Advance(u64),
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let which = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    prop_oneof![
        12 => (0..60_u32).prop_map(Step::Submit),
        6 => (0..60_u32).prop_map(Step::Push),
        4 => which().prop_map(Step::DropSubmitter),
        3 => which().prop_map(Step::EndSubmitter),
        8 => (1..40_u64).prop_map(Step::Advance),
        1 => Just(Step::Flush),
    ]
}

/// Number, bytes and when it came.
type Queued = (u32, u32, u64);

#[derive(Debug)]
struct Model {
    items: usize,
    bytes: u32,
    delay: u64,
    now: u64,
    queue: Vec<Queued>,
    flush: bool,
    run: Vec<Vec<u32>>,
}

impl Model {
    /// Runs what is due.
    fn settle(&mut self) {
        while let Some(&(_, _, came)) = self.queue.first() {
            let bytes: u32 = self.queue.iter().map(|(_, bytes, _)| bytes).sum();
            let full = self.queue.len() >= self.items || bytes >= self.bytes;
            if !(full || self.flush || self.now >= came + self.delay) {
                break;
            }
            let mut count = 0;
            let mut sum = 0;
            for (_, bytes, _) in self.queue.iter().take(self.items) {
                sum += bytes;
                if sum > self.bytes {
                    break;
                }
                count += 1;
            }
            self.run.push(self.queue.drain(..count.max(1)).map(|(number, ..)| number).collect());
        }
        if self.queue.is_empty() {
            self.flush = false;
        }
    }
}

type Answer<'a> =
    std::pin::Pin<Box<dyn Future<Output = Result<u32, Failed<linchpin::Error>>> + 'a>>;

async fn play(items: usize, bytes: u32, delay: u64, steps: Vec<Step>) {
    let seen = Seen::default();
    let noted = seen.clone();
    let work = move |_, batch: Batch<(u32, u32), u32>| {
        noted.lock().push(batch.items().map(|(number, _)| *number).collect());
        async move {
            batch.answer(|(number, _)| number * 2);
            Ok(())
        }
    };
    let options = Options::default()
        .max_items(items)
        .max_bytes(bytes as usize)
        .max_delay(Duration::from_millis(delay));
    let batcher = Batcher::answering(&Context::root(), options, work)
        .unwrap()
        .weigh(|(_, bytes)| *bytes as usize);
    let mut model =
        Model { items, bytes, delay, now: 0, queue: Vec::new(), flush: false, run: Vec::new() };
    let mut waiting: Vec<(u32, Child, Poller<Answer<'_>>)> = Vec::new();
    settle().await;
    for (number, step) in (0_u32..).zip(steps) {
        match step {
            Step::Submit(bytes) => {
                let ctx = Context::root().child();
                let (own, batcher) = (Context::clone(&ctx), &batcher);
                let answer: Answer<'_> =
                    Box::pin(async move { batcher.submit(&own, (number, bytes)).await });
                let mut answer = poll_by_hand(answer);
                assert!(answer.poll().is_pending());
                waiting.push((number, ctx, answer));
                model.queue.push((number, bytes, model.now));
            }
            Step::Push(bytes) => {
                batcher.try_push((number, bytes)).unwrap();
                model.queue.push((number, bytes, model.now));
            }
            Step::DropSubmitter(which) if !waiting.is_empty() => {
                let (number, ..) = waiting.remove(which % waiting.len());
                model.queue.retain(|(queued, ..)| *queued != number);
            }
            Step::EndSubmitter(which) if !waiting.is_empty() => {
                let (number, ctx, mut answer) = waiting.remove(which % waiting.len());
                ctx.cancel("planted");
                assert!(matches!(answer.poll(), Poll::Ready(Err(_))));
                drop(answer);
                model.queue.retain(|(queued, ..)| *queued != number);
            }
            Step::Advance(millis) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                // The timer of tokio is as fine as a millisecond, and never early.
                model.now += millis;
            }
            Step::Flush => {
                model.flush = !model.queue.is_empty();
                batcher.flush();
            }
            Step::DropSubmitter(_) | Step::EndSubmitter(_) => {}
        }
        settle().await;
        model.settle();
        assert_eq!(seen.lock().concat(), model.run.concat(), "after {step:?}: {model:?}");
        assert_eq!(batcher.stats().queued, model.queue.len());
        waiting.retain_mut(|(number, _, answer)| {
            let is_queued = model.queue.iter().any(|(queued, ..)| queued == number);
            assert_eq!(answer.is_woken(), !is_queued, "who is answered is woken, and nobody else");
            if !is_queued {
                let Poll::Ready(Ok(result)) = answer.poll() else { panic!("not answered") };
                assert_eq!(result, *number * 2);
            }
            is_queued
        });
    }
    // Batch by batch, too, where no clock is in it.
    if delay == 0 || delay > 10_000 {
        assert_eq!(*seen.lock(), model.run);
    }
    drop(waiting);
    batcher.close(&Context::root()).await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn a_plain_list_says_the_same_after_every_step(
        items in 1..8_usize,
        bytes in prop_oneof![1 => Just(u32::MAX), 2 => 50..200_u32],
        delay in prop_oneof![1 => Just(0_u64), 3 => 5..60_u64, 1 => Just(1_000_000)],
        steps in prop::collection::vec(step(), 1..80),
    ) {
        paused::block_on(play(items, bytes, delay, steps));
    }
}
