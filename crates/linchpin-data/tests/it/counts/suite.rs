//! What every store of counts keeps to, and faults that it finds.

use std::time::Duration;

use linchpin::Result;
use linchpin::resilience::breaker::fleet::{CountStore, Counts, DynCountStore, Memory, Told};

use super::store;
use crate::server::{Server, Which};

const HOUR: Duration = Duration::from_hours(1);

pub(super) fn counts(node: u64, calls: u64) -> Counts {
    Counts { node, calls, failures: calls / 2, slow: calls / 3 }
}

/// What the others have told, by node.
pub(super) async fn tell(
    store: &dyn DynCountStore,
    group: &str,
    counts: Counts,
    forget_after: Duration,
) -> Vec<Counts> {
    let told = Told { group, counts, forget_after };
    let mut others = store.exchange_boxed(&told).await.unwrap();
    others.sort_by_key(|counts| counts.node);
    others
}

async fn keeps_to_the_port(store: &dyn DynCountStore) -> std::result::Result<(), String> {
    let same = |what: &str, seen: Vec<Counts>, expected: Vec<Counts>| {
        if seen == expected { Ok(()) } else { Err(format!("{what}: {seen:?}, not {expected:?}")) }
    };
    let (one, two, three) = (counts(1, 10), counts(u64::MAX, 20), counts(3, u64::from(u32::MAX)));
    same("alone", tell(store, "a", one, HOUR).await, vec![])?;
    same("the first", tell(store, "a", two, HOUR).await, vec![one])?;
    same("both", tell(store, "a", three, HOUR).await, vec![one, two])?;
    // Who says it again, as after a lost answer, has said it once.
    same("again", tell(store, "a", three, HOUR).await, vec![one, two])?;
    let more = counts(1, 11);
    same("more", tell(store, "a", more, HOUR).await, vec![three, two])?;
    same("the newest word", tell(store, "a", two, HOUR).await, vec![more, three])?;
    for odd in ["", "a}", "A", "a ", "é", "'; --"] {
        same("another group", tell(store, odd, one, HOUR).await, vec![])?;
    }
    // Who has been silent for too long is forgotten, and may come back.
    let moment = Duration::from_micros(1);
    same("silent", tell(store, "a", more, moment).await, vec![])?;
    same("and back", tell(store, "a", two, HOUR).await, vec![more])?;
    // However much is counted, and however long a word holds.
    let most = Counts { node: 0, calls: u64::MAX, failures: 1 << 63, slow: u64::MAX - 1 };
    same("the most", tell(store, "b", most, Duration::MAX).await, vec![])?;
    same("for ever", tell(store, "b", one, Duration::MAX).await, vec![most])
}

#[derive(Clone, Copy, Debug)]
enum Plant {
    AddsUp,
    ForgetsNobody,
    MixesGroups,
    AnswersWithAll,
    KeepsTheFirstWord,
}

struct Planted(Plant, Memory);

impl CountStore for Planted {
    async fn exchange<'a>(&'a self, told: &'a Told<'a>) -> Result<Vec<Counts>> {
        let mut told = *told;
        match self.0 {
            Plant::AddsUp => {
                let mut others = self.1.exchange(&told).await?;
                for counts in &mut others {
                    counts.calls *= 2;
                }
                return Ok(others);
            }
            Plant::ForgetsNobody => told.forget_after = HOUR,
            Plant::MixesGroups => told.group = "",
            Plant::AnswersWithAll => {
                let mut all = self.1.exchange(&told).await?;
                all.push(told.counts);
                return Ok(all);
            }
            Plant::KeepsTheFirstWord => {
                let silent = Counts { node: 0, ..told.counts };
                let looks = Told { counts: silent, ..told };
                let known = self.1.exchange(&looks).await?;
                if known.iter().any(|counts| counts.node == told.counts.node) {
                    let node = told.counts.node;
                    return Ok(known
                        .into_iter()
                        .filter(|c| c.node != node && c.node != 0)
                        .collect());
                }
            }
        }
        let others = self.1.exchange(&told).await?;
        Ok(others.into_iter().filter(|counts| counts.node != 0).collect())
    }
}

#[linchpin_testing::test]
async fn the_suite_finds_what_is_planted() {
    for plant in [
        Plant::AddsUp,
        Plant::ForgetsNobody,
        Plant::MixesGroups,
        Plant::AnswersWithAll,
        Plant::KeepsTheFirstWord,
    ] {
        let planted = Planted(plant, Memory::default());
        assert!(keeps_to_the_port(&planted).await.is_err(), "{plant:?}");
    }
}

#[linchpin_testing::test]
async fn memory_and_redis_and_postgres_keep_to_the_port() {
    keeps_to_the_port(&Memory::default()).await.unwrap();
    for which in [Which::Redis, Which::Postgres] {
        let server = Server::start(which);
        keeps_to_the_port(&store(which, &server).await).await.unwrap();
    }
}
