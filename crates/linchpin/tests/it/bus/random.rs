//! Whatever is done in whatever order: a plain model of buffers says the same after every step.
//!
//! The model has a queue for each subscriber, filled one by one when something is published, and for each topic the last
//! messages. It knows no log and no cursor, and matches patterns by its own recursion.

use std::collections::{BTreeMap, VecDeque};

use linchpin::sync::bus::{Bus, Options, Policy, Subscriber, Subscription, Topic, TryRecvError};
use proptest::prelude::*;

const NAMES: [&str; 6] = ["a.x", "a.y", "b.x", "a.*", "*.x", "**"];
const POLICIES: [Policy; 4] =
    [Policy::Wait, Policy::DropOldest, Policy::DropNewest, Policy::Disconnect];

#[derive(Clone, Copy, Debug)]
enum Step {
    Subscribe {
        name: usize,
        policy: usize,
        buffer: usize,
        replay: usize,
    },
    Unsubscribe(usize),
    /// So many messages, one by one.
    Publish {
        topic: usize,
        many: usize,
    },
    Recv {
        which: usize,
        many: usize,
    },
    RecvMany(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let which = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    prop_oneof![
        3 => (0..6_usize, 0..4_usize, 1..12_usize, 0..12_usize).prop_map(
            |(name, policy, buffer, replay)| Step::Subscribe { name, policy, buffer, replay }
        ),
        2 => which().prop_map(Step::Unsubscribe),
        10 => (0..3_usize, 1..40_usize).prop_map(|(topic, many)| Step::Publish { topic, many }),
        10 => (which(), 1..20_usize).prop_map(|(which, many)| Step::Recv { which, many }),
        4 => which().prop_map(Step::RecvMany),
    ]
}

/// A subscriber of the model.
struct Plain {
    name: &'static str,
    policy: Policy,
    buffer: usize,
    queue: VecDeque<(&'static str, u64)>,
    disconnected: bool,
    dropped: u64,
    delivered: u64,
}

fn stands_for(pattern: &str, topic: &str) -> bool {
    match pattern {
        "**" => true,
        "a.*" => topic.starts_with("a."),
        "*.x" => topic == "a.x" || topic == "b.x",
        name => name == topic,
    }
}

impl Plain {
    fn is_full(&self) -> bool {
        self.queue.len() == self.buffer
    }

    fn take_in(&mut self, topic: &'static str, message: u64) {
        if self.disconnected {
            return;
        }
        if self.is_full() {
            match self.policy {
                Policy::DropOldest => drop(self.queue.pop_front()),
                Policy::Disconnect => {
                    self.disconnected = true;
                    return;
                }
                _ => {
                    self.dropped += 1;
                    return;
                }
            }
            self.dropped += 1;
        }
        self.queue.push_back((topic, message));
    }
}

struct World {
    bus: Bus<u64>,
    topics: [Topic<u64>; 3],
    replay: usize,
    subscribers: Vec<(Subscriber<u64>, Plain)>,
    kept: BTreeMap<&'static str, VecDeque<(u64, &'static str)>>,
    next: u64,
}

impl World {
    fn new(replay: usize) -> Self {
        let bus = Bus::with(Options::default().replay(replay));
        let topics = [0, 1, 2].map(|topic| bus.topic(NAMES[topic]).unwrap());
        Self { bus, topics, replay, subscribers: Vec::new(), kept: BTreeMap::new(), next: 0 }
    }

    fn subscribe(&mut self, name: &'static str, policy: Policy, buffer: usize, replay: usize) {
        let subscription = Subscription::default().policy(policy).buffer(buffer).replay(replay);
        let subscriber = self.bus.subscribe(name, subscription).unwrap();
        let topics = self.kept.iter().filter(|(topic, _)| stands_for(name, topic));
        let mut kept: Vec<_> = topics.flat_map(|(_, kept)| kept).copied().collect();
        kept.sort_unstable();
        let wanted = kept.len().min(self.replay).min(replay).min(buffer);
        let queue = kept.split_off(kept.len() - wanted);
        let queue = queue.into_iter().map(|(message, topic)| (topic, message)).collect();
        let plain =
            Plain { name, policy, buffer, queue, disconnected: false, dropped: 0, delivered: 0 };
        self.subscribers.push((subscriber, plain));
    }

    fn publish(&mut self, topic: usize) {
        let (name, message) = (NAMES[topic], self.next);
        self.next += 1;
        let sees = |plain: &Plain| stands_for(plain.name, name);
        let blocked = self
            .subscribers
            .iter()
            .any(|(_, plain)| sees(plain) && plain.policy == Policy::Wait && plain.is_full());
        assert_eq!(self.topics[topic].try_publish(message).is_err(), blocked);
        if blocked {
            return;
        }
        for (_, plain) in self.subscribers.iter_mut().filter(|(_, plain)| sees(plain)) {
            plain.take_in(name, message);
        }
        let kept = self.kept.entry(name).or_default();
        kept.push_back((message, name));
        if kept.len() > self.replay {
            kept.pop_front();
        }
    }

    fn recv(&mut self, which: usize) {
        let (subscriber, plain) = &mut self.subscribers[which];
        let received = subscriber.try_recv().map(|message| (message.topic().to_owned(), *message));
        let expected = match plain.queue.pop_front() {
            Some((topic, message)) => {
                plain.delivered += 1;
                Ok((topic.to_owned(), message))
            }
            None if plain.disconnected => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        };
        assert_eq!(received, expected);
    }

    fn recv_many(&mut self, which: usize) {
        let (subscriber, plain) = &mut self.subscribers[which];
        if plain.queue.is_empty() {
            return;
        }
        let ctx = linchpin::Context::root();
        let batch = futures_util::FutureExt::now_or_never(subscriber.recv_many(&ctx, 9));
        let batch: Vec<_> = batch.unwrap().unwrap().map(|message| *message).collect();
        assert!((1..=9).contains(&batch.len()));
        plain.delivered += batch.len() as u64;
        let expected: Vec<_> =
            plain.queue.drain(..batch.len()).map(|(_, message)| message).collect();
        assert_eq!(batch, expected);
    }

    fn compare(&self) {
        for (subscriber, plain) in &self.subscribers {
            let numbers = subscriber.numbers();
            assert_eq!(
                (numbers.delivered, numbers.dropped, numbers.lag),
                (plain.delivered, plain.dropped, plain.queue.len() as u64),
                "{} {:?}",
                plain.name,
                plain.policy
            );
        }
    }
}

proptest! {
    #[test]
    fn a_bus_is_a_queue_for_each_who_subscribes(
        replay in prop_oneof![Just(0_usize), 1..10_usize],
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(replay);
        for step in steps {
            let count = world.subscribers.len();
            match step {
                Step::Subscribe { name, policy, buffer, replay } => {
                    world.subscribe(NAMES[name], POLICIES[policy], buffer, replay);
                }
                Step::Unsubscribe(which) if count > 0 => {
                    world.subscribers.swap_remove(which % count);
                }
                Step::Publish { topic, many } => (0..many).for_each(|_| world.publish(topic)),
                Step::Recv { which, many } if count > 0 => {
                    (0..many).for_each(|_| world.recv(which % count));
                }
                Step::RecvMany(which) if count > 0 => world.recv_many(which % count),
                _ => {}
            }
            world.compare();
        }
    }
}
