//! Rows `counter-*`, `gauge` and `packed`: one number that threads add to, beside the atomic that it would be otherwise.

use std::hint::black_box;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use linchpin::sync::counter::{Counter, Gauge};
use linchpin::sync::packed::{Field, Pack, Packed};

use crate::harness::Operation;
use crate::row::Role::{Floor, Ours, Peer};

const LINCHPIN: &str = "linchpin";
const ATOMIC: &str = "AtomicU64";

/// Every row of counters.
pub fn operations() -> Vec<Operation> {
    let add = |name, threads| {
        Operation::new(name).threads(threads, Ours, LINCHPIN, counter()).threads(
            threads,
            Peer,
            ATOMIC,
            {
                let count = AtomicU64::new(0);
                move || black_box(&count).fetch_add(1, Relaxed)
            },
        )
    };
    vec![
        add("counter", 1),
        add("counter-t2", 2),
        add("counter-t8", 8),
        Operation::new("counter-sum").sync(Ours, LINCHPIN, {
            let count = Counter::new();
            count.add(1);
            move || black_box(&count).sum()
        }),
        Operation::new("gauge-hold").sync(Ours, "linchpin, with its peak", {
            let gauge = Gauge::new();
            move || drop(black_box(&gauge).hold(1))
        }),
        Operation::new("packed-update")
            .sync(Ours, LINCHPIN, {
                let state = Packed::new(Turn(0));
                move || black_box(&state).update(|turn| Some(Turn((turn.0 + 1) & COUNT.most())))
            })
            .sync(Floor, "AtomicU64, compare-exchange", {
                let word = AtomicU64::new(0);
                move || {
                    let word = black_box(&word);
                    let now = word.load(Acquire);
                    word.compare_exchange(now, now + 1, AcqRel, Acquire)
                }
            }),
    ]
}

fn counter() -> impl Fn() + Sync {
    let count = Counter::new();
    move || black_box(&count).add(1)
}

#[derive(Clone, Copy)]
struct Turn(u64);

const COUNT: Field = Field::first(48);

impl Pack for Turn {
    fn pack(self) -> u64 {
        COUNT.of(self.0)
    }

    fn unpack(word: u64) -> Self {
        Self(COUNT.get(word))
    }
}
