//! The fuzzer of `examples/api_fuzz`, short and with a fixed seed, against the real binary; and that it finds what is wrong.

#[path = "../../examples/api_fuzz/fuzz/mod.rs"]
mod fuzz;

use std::time::Duration;

use self::fuzz::{Plant, Receiver, Report, Settings, Target, raw, well};
use crate::process::{Home, Relay};

const SEED: u64 = 20_261_128;
const REQUESTS: usize = 200;
/// So many requests make everything warm.
const WARM: usize = 10;
/// How much more memory the service may hold than when it was warm, in MiB.
const GROWTH: u64 = 128;
/// The fuzzer itself wants two seconds. This is for a machine that has other tests to run, and a disk that it shares.
const WITHIN: Duration = Duration::from_secs(10);

struct Tried {
    relay: Relay,
    target: Target,
    _receiver: Receiver,
}

impl Tried {
    async fn new() -> Self {
        let receiver = Receiver::start().await.unwrap();
        let relay = Home::new().serve(&["--log-level", "warn"]).await;
        let address = relay.api.strip_prefix("http://").unwrap().parse().unwrap();
        let target = Target::new(address, receiver.url.clone()).await.unwrap();
        Self { relay, target, _receiver: receiver }
    }

    async fn fuzz(&self, requests: usize, operation: &str, plant: Option<Plant>) -> Report {
        let operation = operation.to_owned();
        let settings = Settings { seed: SEED, requests, operation, within: WITHIN, plant };
        fuzz::run(&self.target, &settings).await.unwrap()
    }

    fn memory(&self) -> u64 {
        well::memory(self.relay.id().expect("it runs")).unwrap()
    }

    /// Asserts that it runs, delivers, and has nothing to complain of.
    async fn is_well(&self) {
        well::is_well(&self.target).await.unwrap();
        let log = self.relay.log();
        assert_eq!(well::errors(&log).collect::<Vec<_>>(), [""; 0]);
    }
}

fn told(report: &Report) -> String {
    report.faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[linchpin_testing::test]
async fn every_answer_is_one_that_the_document_lists() {
    let tried = Tried::new().await;
    tried.fuzz(WARM, "", None).await;
    let warm = tried.memory();
    let report = tried.fuzz(REQUESTS, "", None).await;
    assert!(report.faults.is_empty(), "seed {SEED}:\n{}", told(&report));
    assert_eq!(report.requests(), REQUESTS * report.answers.len());
    assert!(report.slowest < WITHIN);
    // Or the requests do not get far enough to find anything.
    let unreached = report.unreached();
    assert!(unreached.len() * 5 < report.answers.len(), "never a success: {unreached:?}");
    tried.is_well().await;
    let growth = tried.memory().saturating_sub(warm);
    assert!(growth < GROWTH, "{growth} MiB more than {warm} MiB");
}

#[linchpin_testing::test]
async fn what_is_no_http_is_refused_or_ends_in_a_closed_connection() {
    let tried = Tried::new().await;
    let (sent, faults) = raw::run(&tried.target, SEED, REQUESTS, true).await;
    assert_eq!(faults, [""; 0]);
    assert!(sent > REQUESTS + 80, "{sent}");
    tried.is_well().await;
}

#[linchpin_testing::test]
async fn the_fuzzer_finds_what_is_planted_into_answers() {
    let tried = Tried::new().await;
    for plant in Plant::ALL {
        let report = tried.fuzz(WARM, "application.get", Some(plant)).await;
        assert!(!report.faults.is_empty(), "{plant:?}");
        let fault = &report.faults[0];
        assert_eq!(fault.operation, "application.get");
        assert!(fault.curl.starts_with("curl ") && fault.curl.contains("/api/v1/app/"), "{fault}");
    }
    assert!(tried.fuzz(WARM, "application.get", None).await.faults.is_empty());
}
