//! What is refused, what is printed, what is shared.

use linchpin::resilience::adaptive;
use linchpin::resilience::breaker::{self, Breaker};
use linchpin::resilience::bulkhead;
use linchpin::resilience::limiter::{self, Rate};
use linchpin::resilience::retry::{self, Budget};
use linchpin::resilience::shed::{self, Load};
use linchpin::resilience::stack::{Builder, Stack};
use linchpin::resilience::throttle;
use linchpin::resilience::timeout::Timeout;
use linchpin::resilience::{FailedKind, Outcome};
use linchpin::{Context, Kind};
use tracing::Level;

use super::{MS, SECOND, client, exact};
use crate::panic::logged_from;

fn why(builder: Builder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let server = || Stack::server("test");
    let marked = || retry::Options::default().idempotent();
    let calm = || shed::Options::default().load(Load::given());
    let window = |seconds: u32| breaker::Options::default().time_window(seconds * SECOND);
    let waits = |wait| (8, bulkhead::Options::default().max_queue(8).max_wait(wait));
    let turns = |wait| (Rate::per_second(1), limiter::Options::default().max_wait(wait));
    for (builder, word) in [
        (client().retry(retry::Options::default()), "not marked idempotent"),
        (client().deadline(SECOND).timeout(SECOND), "never fires"),
        (client().deadline(SECOND).timeout(2 * SECOND), "never fires"),
        (client().breaker(window(19)).timeout(10 * SECOND), "twice as long"),
        (client().retry(marked()).retry(marked()), "`retry` twice"),
        (client().timeout(SECOND).timeout(SECOND), "`timeout` twice"),
        (client().deadline(SECOND).deadline(SECOND), "`deadline` twice"),
        (client().deadline(SECOND).bulkhead(waits(SECOND)), "for the bulkhead"),
        (client().deadline(SECOND).limiter(turns(SECOND)), "for the limiter"),
        (client().deadline(std::time::Duration::ZERO), "above zero"),
        (client().bulkhead(0), "Bulkhead"),
        (
            client().timeout(SECOND).retry(marked().min_attempt_time(2 * SECOND)),
            "`min_attempt_time`",
        ),
        (client().bulkhead(8).adaptive(adaptive::Options::default()), "name one"),
        (client().shed(calm()), "a shedder on a client"),
        (server().shed(calm()).shed(calm()), "`shed` twice"),
        (server().shed(calm().threshold(1.0)), "a threshold of 1 "),
        (server().shed(shed::Options::default()), "no runtime"),
        (server().throttle(throttle::Options::default()), "whom one calls"),
        (server().retry(marked()), "whoever calls retries"),
        (server().breaker(breaker::Options::default()), "one's own handler"),
        (server().timeout(SECOND), "`deadline` is the limit"),
    ] {
        let why = why(builder);
        assert!(why.contains(word) && why.len() > 40, "{word}: {why}");
    }
    let nearly = [
        client().deadline(1_001 * MS).timeout(SECOND),
        client().breaker(window(20)).timeout(10 * SECOND),
        client().breaker(breaker::Options::default().count_window(20)).timeout(60 * SECOND),
        client().deadline(SECOND).bulkhead(waits(999 * MS)),
        client().retry(retry::Options::default()).idempotent_by_request(),
        client(),
        server(),
        server().bulkhead(8).adaptive(adaptive::Options::default()).shed(calm()),
    ];
    for builder in nearly {
        builder.build().unwrap();
    }
}

#[test]
fn a_retry_without_a_budget_is_warned_of() {
    let lines = logged_from(Level::WARN, || {
        drop(client().retry(exact().budget(Budget::unlimited())).build().unwrap());
        drop(client().retry(retry::Options::default().idempotent()).build().unwrap());
    });
    assert_eq!(
        lines.iter().filter(|line| line.contains("multiplies the load")).count(),
        1,
        "{lines:?}"
    );
}

#[test]
fn a_stack_prints_its_order_whatever_order_it_was_named_in() {
    let stack = Stack::client("payments")
        .timeout(10 * SECOND)
        .bulkhead(64)
        .limiter(Rate::per_second(100))
        .breaker(breaker::Options::default())
        .retry(retry::Options::default().idempotent())
        .throttle(throttle::Options::default())
        .deadline(30 * SECOND)
        .build()
        .unwrap();
    let shown = stack.to_string();
    let expected = "\
client `payments`
  deadline   30s
  retry      up to 3 attempts, after 50ms by 2 up to 20s, full jitter, within a share of the calls
  throttle   sends 2 times what is taken on, within 120s, refuses 90 % at most
  breaker    opens at 50 % failures of 20 or more calls within 30s, for 5s up to 60s
  limiter    100 in 1s, 100 at once
  bulkhead   64 places
  timeout    10s
  callee";
    assert_eq!(shown, expected);
    let order: Vec<_> = stack.snapshots().iter().map(|snapshot| snapshot.policy).collect();
    assert_eq!(order, ["retry", "throttle", "breaker", "limiter", "bulkhead", "timeout"]);
}

#[tokio::test(start_paused = true)]
async fn parts_may_be_shared_and_are_at_hand() {
    let breaker = Breaker::new("database", breaker::Options::default()).unwrap();
    let timeout = Timeout::new("slow", 5 * SECOND).unwrap();
    let stack = client().breaker(breaker.clone()).timeout(timeout.clone()).build().unwrap();
    assert!(stack.to_string().contains("(shared, `database`)"), "{stack}");
    assert_eq!(stack.name(), "test");
    assert_eq!(stack.timeout().unwrap().limit(), 5 * SECOND);
    assert!(stack.retry().is_none() && stack.limiter().is_none() && stack.bulkhead().is_none());
    breaker.force_open();
    let twin = stack.clone();
    let failed = twin.call(&Context::root(), |_| async { Ok::<_, u8>(1) }).await.unwrap_err();
    assert!(
        matches!(failed.kind(), FailedKind::Refused(refusal) if refusal.instance == "database")
    );
    stack.breaker().unwrap().reset();
    assert_eq!(twin.call(&Context::root(), |_| async { Ok::<_, u8>(1) }).await.unwrap(), 1);
    assert_eq!(breaker.numbers().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn one_classifier_serves_all_parts() {
    let stack =
        client().retry(exact()).breaker(breaker::Options::default()).build().unwrap().classified(
            |result: Result<&u16, &u16>| match result {
                Ok(status) if *status >= 500 => Outcome::Failure,
                _ => Outcome::Success,
            },
        );
    let mut asked = 0;
    let answer = stack
        .call(&Context::root(), |_| {
            asked += 1;
            async { Ok::<u16, u16>(503) }
        })
        .await;
    assert_eq!((answer.unwrap(), asked), (503, 3));
    assert_eq!(stack.breaker().unwrap().numbers().failures, 3);
    let error: linchpin::Error = client().bulkhead(0).build().unwrap_err().into();
    assert_eq!(error.kind(), Kind::InvalidArgument);
}
