//! Stores with a fault each, which the suite must find.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use linchpin::Result;
use linchpin::resilience::limiter::shared::{Answer, Memory, RateStore, Visit};
use tokio::task::yield_now;

use super::suite::ROWS;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Plant {
    /// Judges, and writes later.
    JudgesThenWrites,
    /// A lost answer is asked for again.
    AsksAgain,
    /// A refusal counts.
    ChargesTheRefused,
    /// A look counts.
    ChargesLooks,
    /// Each quota is taken for itself.
    TakesWhatPasses,
    /// Once the clock has gone back it waits until it is where it was.
    WaitsForItsClock,
    /// Once the clock has gone back it refuses all until it is where it was, each time with a short wait.
    RefusesForItsClock,
    /// A burst that shrank is owed as it was.
    OwesTheOldBurst,
    /// The clock of who asks, or one that stands.
    StandsStill,
    /// All keys are one.
    MixesKeys,
    /// Keys are cut.
    CutsKeys,
    IgnoresPenalties,
    /// A penalty that is told twice counts twice.
    AddsPenalties,
    ForgetsItsEpoch,
    /// Clocks of whole seconds.
    CountsSeconds,
    /// Refuses who could wait.
    IgnoresWaits,
}

/// Each fault, and the row that finds it.
const FOUND: &[(Plant, &str)] = &[
    (Plant::JudgesThenWrites, "at_once_no_more_pass_than_the_burst"),
    (Plant::AsksAgain, "a_visit_is_charged_once"),
    (Plant::ChargesTheRefused, "who_is_refused_leaves_no_trace"),
    (Plant::ChargesLooks, "a_look_leaves_no_trace"),
    (Plant::TakesWhatPasses, "all_quotas_are_taken_or_none"),
    (Plant::WaitsForItsClock, "a_clock_that_goes_back_locks_nobody_out"),
    (Plant::RefusesForItsClock, "a_clock_that_goes_back_locks_nobody_out"),
    (Plant::OwesTheOldBurst, "a_burst_that_shrank_owes_no_more_than_a_new_one"),
    (Plant::StandsStill, "its_own_clock_judges"),
    (Plant::MixesKeys, "keys_are_apart"),
    (Plant::CutsKeys, "keys_are_apart"),
    (Plant::IgnoresPenalties, "a_penalty_lets_nothing_pass_and_then_one"),
    (Plant::IgnoresPenalties, "a_penalty_of_a_part_uses_up_that_once"),
    (Plant::AddsPenalties, "a_penalty_of_a_part_uses_up_that_once"),
    (Plant::ForgetsItsEpoch, "it_says_that_it_remembers"),
    (Plant::CountsSeconds, "a_burst_passes_and_then_one_at_each_interval"),
    (Plant::CountsSeconds, "a_pause_saves_no_more_than_the_burst"),
    (Plant::IgnoresWaits, "turns_stand_in_line_up_to_the_wait"),
    (Plant::ChargesTheRefused, "a_cost_is_taken_whole_or_not_at_all"),
];

struct Planted {
    plant: Plant,
    memory: Memory,
    asked: AtomicU64,
}

impl Planted {
    fn new(plant: Plant) -> Self {
        Self { plant, memory: Memory::new("planted", 1000).unwrap(), asked: AtomicU64::new(0) }
    }
}

/// As `visit` is, but of that cost.
fn costing<'a>(visit: &Visit<'a>, cost: u32) -> Visit<'a> {
    let other = Visit::new(visit.key(), visit.quotas(), cost);
    let other = other.wait(Duration::from_micros(visit.wait_us()));
    visit.now_us().map_or(other, |now| other.at(now))
}

fn patient<'a>(visit: &Visit<'a>) -> Visit<'a> {
    costing(visit, visit.cost()).wait(Duration::from_hours(1000))
}

impl RateStore for Planted {
    async fn take<'a>(&'a self, visit: &'a Visit<'a>) -> Result<Answer> {
        let memory = &self.memory;
        let answer = match self.plant {
            Plant::JudgesThenWrites => {
                let look = memory.take(&costing(visit, 0)).await?;
                yield_now().await;
                let passed = look.left.remaining >= visit.cost();
                if passed {
                    memory.take(&patient(visit)).await?;
                }
                Answer { passed, ..look }
            }
            Plant::AsksAgain => {
                memory.take(visit).await?;
                memory.take(visit).await?
            }
            Plant::ChargesTheRefused => {
                let answer = memory.take(visit).await?;
                if !answer.passed {
                    memory.take(&patient(visit)).await?;
                }
                answer
            }
            Plant::ChargesLooks if visit.cost() == 0 => memory.take(&costing(visit, 1)).await?,
            Plant::TakesWhatPasses => {
                let mut answers = Vec::new();
                for (place, quota) in visit.quotas().iter().enumerate() {
                    let key = format!("{place}{}", visit.key());
                    let quota = [*quota];
                    let one =
                        Visit::new(&key, &quota, visit.cost()).at(visit.now_us().unwrap_or(0));
                    answers.push(memory.take(&one).await?);
                }
                let passed = answers.iter().all(|answer| answer.passed);
                Answer::of(passed, answers.iter().map(|answer| answer.left))
            }
            Plant::WaitsForItsClock => {
                let now = visit.now_us().unwrap_or(0);
                let last = self.asked.fetch_max(now, Ordering::SeqCst);
                let mut answer = memory.take(visit).await?;
                answer.left.wait_us += last.saturating_sub(now);
                answer
            }
            Plant::RefusesForItsClock => {
                let now = visit.now_us().unwrap_or(0);
                let last = self.asked.fetch_max(now, Ordering::SeqCst);
                let there = memory.take(&costing(visit, visit.cost()).at(now.max(last))).await?;
                Answer { passed: there.passed && last <= now, ..there }
            }
            Plant::OwesTheOldBurst => {
                let mut answer = memory.take(visit).await?;
                if !answer.passed {
                    answer.left.wait_us += 995 * visit.quotas()[0].interval_us();
                }
                answer
            }
            Plant::StandsStill => memory.take(&costing(visit, visit.cost()).at(1_000_000)).await?,
            Plant::MixesKeys => {
                let other = Visit::new("", visit.quotas(), visit.cost());
                memory.take(&other.at(visit.now_us().unwrap_or(0))).await?
            }
            Plant::CutsKeys => {
                let cut = visit.key().trim_end_matches(|c: char| !c.is_alphanumeric());
                let other = Visit::new(cut, visit.quotas(), visit.cost());
                memory.take(&other.at(visit.now_us().unwrap_or(0))).await?
            }
            Plant::CountsSeconds => {
                let second = visit.now_us().unwrap_or(0).div_ceil(1_000_000) * 1_000_000;
                let mut answer = memory.take(&costing(visit, visit.cost()).at(second)).await?;
                answer.left.reset_us = answer.left.reset_us.div_ceil(1_000_000) * 1_000_000;
                answer
            }
            Plant::IgnoresWaits => {
                memory.take(&costing(visit, visit.cost()).wait(Duration::ZERO)).await?
            }
            _ => memory.take(visit).await?,
        };
        Ok(answer)
    }

    async fn penalize<'a>(&'a self, visit: &'a Visit<'a>) -> Result<()> {
        if self.plant == Plant::IgnoresPenalties {
            return Ok(());
        }
        if self.plant == Plant::AddsPenalties {
            let burst = visit.quotas()[0].burst();
            self.memory.take(&patient(&costing(visit, burst - 1))).await?;
            return Ok(());
        }
        self.memory.penalize(visit).await
    }

    async fn epoch(&self) -> Result<u64> {
        if self.plant == Plant::ForgetsItsEpoch {
            return Ok(self.asked.fetch_add(1, Ordering::SeqCst));
        }
        self.memory.epoch().await
    }
}

#[linchpin_testing::test]
async fn each_row_finds_what_is_planted_for_it() {
    for (plant, name) in FOUND {
        let (_, row) = ROWS.iter().find(|(row, _)| row == name).expect("a row");
        let planted = Planted::new(*plant);
        let found = row(&planted, "key".to_owned()).await;
        assert!(found.is_err(), "{name} does not find {plant:?}");
    }
    let unproven = ROWS.iter().filter(|(row, _)| FOUND.iter().all(|(_, name)| name != row));
    let unproven: Vec<&str> = unproven.map(|(row, _)| *row).collect();
    assert_eq!(unproven, [""; 0], "rows that find nothing");
}
