//! The specification's cases.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use linchpin::resilience::Outcome::{Failure, Ignored, Success};
use linchpin::time::Instant;

use super::{LUCK, SECOND, assert_about, call, chance, draws, scripted, throttle, with};

async fn pass(duration: Duration) {
    tokio::time::advance(duration).await;
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[tokio::test(start_paused = true)]
async fn s1_what_is_refused_is_below_the_chance() {
    let throttle = with(scripted(), 100, 20);
    assert_about(chance(&throttle), 0.5941);
    draws(0.59);
    assert!(!call(&throttle, Success));
    let throttle = with(scripted(), 100, 20);
    draws(0.60);
    assert!(call(&throttle, Success));
}

#[tokio::test(start_paused = true)]
async fn s2_who_takes_on_half_is_sent_everything() {
    let throttle = with(scripted(), 100, 50);
    draws(0.0);
    assert!(call(&throttle, Success));
    assert_about(chance(&with(scripted(), 100, 50)), 0.0);
    assert_about(chance(&with(scripted(), 101, 50)), 0.0098);
}

#[tokio::test(start_paused = true)]
async fn s3_the_chance_has_a_top_and_silence_ends_with_a_probe() {
    let throttle = with(scripted(), 100, 0);
    assert_about(chance(&throttle), 0.9);
    draws(0.0);
    assert!(!call(&throttle, Failure));
    pass(ms(999)).await;
    assert!(!call(&throttle, Failure), "a call has passed within the second");
    pass(ms(1)).await;
    assert!(call(&throttle, Failure), "none has");
    assert!(!call(&throttle, Failure), "one is enough");
    pass(SECOND).await;
    assert!(call(&throttle, Failure));
    let without = with(scripted().no_probe(), 100, 0);
    draws(0.0);
    pass(60 * SECOND).await;
    assert!(!call(&without, Failure));
}

#[tokio::test(start_paused = true)]
async fn s4_a_few_requests_are_no_share() {
    let throttle = with(scripted(), 9, 0);
    draws(0.0);
    assert_about(chance(&throttle), 0.0);
    assert!(call(&throttle, Failure));
    assert_about(chance(&throttle), 0.9);
    assert!(!call(&throttle, Failure));
}

#[tokio::test(start_paused = true)]
async fn s5_calls_under_way_count_when_the_grace_is_over() {
    let throttle = throttle(scripted());
    draws(0.0);
    let calls: Vec<_> = (0..100).map(|_| throttle.admit(Instant::now()).unwrap()).collect();
    pass(ms(999)).await;
    let numbers = throttle.numbers();
    assert_eq!((numbers.requests, numbers.overdue, numbers.under_way), (0, 0, 100));
    assert_about(numbers.chance, 0.0);
    pass(ms(1)).await;
    let numbers = throttle.numbers();
    assert_eq!((numbers.requests, numbers.overdue, numbers.under_way), (100, 100, 100));
    assert_about(numbers.chance, 0.9);
    // A call that is accepted late is none that is overdue, and one that says nothing is none at all.
    for (index, permit) in calls.into_iter().enumerate() {
        permit.record(if index < 60 { Success } else { Ignored });
    }
    let numbers = throttle.numbers();
    assert_eq!((numbers.requests, numbers.accepted, numbers.overdue), (60, 60, 0));
    assert_eq!((numbers.under_way, numbers.chance), (0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn s5_each_call_has_its_own_grace() {
    let throttle = throttle(scripted());
    let step = 50;
    let mut calls = Vec::new();
    for _ in 0..100 {
        calls.push(throttle.admit(Instant::now()).unwrap());
        pass(ms(step)).await;
        // A call counts from a second on, or up to a sixteenth of it too early.
        let begun = calls.len() as u64;
        let older = |age: u64| (1..=begun).filter(|back| back * step >= age).count() as u64;
        let overdue = throttle.numbers().overdue;
        assert!((older(1_000)..=older(1_000 - 63)).contains(&overdue), "{overdue} of {begun}");
    }
    assert_eq!(throttle.numbers().under_way, 100);
    drop(calls);
    let numbers = throttle.numbers();
    assert_eq!((numbers.under_way, numbers.overdue, numbers.requests), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn s6_a_rate_of_success_and_an_aggression() {
    let envoy = || scripted().multiplier(1.0 / 0.95);
    assert_about(chance(&with(envoy(), 100, 80)), 0.1563);
    assert_about(chance(&with(envoy().aggression(2.0), 100, 80)), 0.3954);
}

#[tokio::test(start_paused = true)]
async fn s7_after_the_window_all_is_forgotten() {
    let throttle = with(scripted(), 100, 0);
    pass(ms(119_999)).await;
    assert_about(chance(&throttle), 0.9);
    pass(ms(1)).await;
    assert_about(chance(&throttle), 0.0);
    assert_eq!(throttle.numbers().requests, 0);
}

#[tokio::test(start_paused = true)]
async fn s7_under_load_it_takes_two_windows() {
    let throttle = throttle(scripted());
    let began = Instant::now();
    let mut chances = Vec::new();
    // 100 a second, for 300 s of failure and 300 s of health.
    for request in 0..60_000_u32 {
        // Evenly spread, in the order of the golden ratio.
        draws((f64::from(request) * 0.618_033_988_749_894_9).fract());
        let is_well = began.elapsed() >= 300 * SECOND;
        call(&throttle, if is_well { Success } else { Failure });
        if request % 100 == 99 {
            chances.push(chance(&throttle));
        }
        pass(ms(10)).await;
    }
    let after = |seconds: usize| chances[299 + seconds];
    assert!((0..=30).all(|seconds| after(seconds) >= 0.899), "{:?}", &chances[299..330]);
    assert!((0.6..=0.8).contains(&after(121)), "{}", after(121));
    assert!((240..300).all(|seconds| after(seconds) == 0.0), "{:?}", &chances[530..]);
    assert!(after(200) > 0.0, "it takes longer than one window");
}

#[test]
fn of_many_threads_one_is_the_probe_and_every_request_is_counted() {
    let throttle = throttle(scripted().random(|| 0.0).window(3_600 * SECOND));
    assert!((0..10).all(|_| call(&throttle, Failure)), "so few are no share");
    let (ready, passed) = (Barrier::new(64), AtomicUsize::new(0));
    let later = Instant::now() + 2 * SECOND;
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                ready.wait();
                let permit = throttle.admit(later);
                passed.fetch_add(usize::from(permit.is_ok()), Ordering::Relaxed);
                if let Ok(permit) = permit {
                    permit.record_at(later, Failure);
                }
            });
        }
    });
    assert_eq!(passed.load(Ordering::Relaxed), 1);
    assert_eq!(throttle.numbers().requests, 10 + 64);
}

#[test]
fn no_call_is_lost_while_slots_and_stretches_pass() {
    // By the clock of the system: slots of a few hundred microseconds pass all the time.
    let options = scripted().random(|| LUCK).pending_grace(ms(10)).window(3_600 * SECOND);
    let throttle = throttle(options);
    let each = 20_000_u64;
    thread::scope(|scope| {
        for seed in 0..8_u64 {
            let throttle = &throttle;
            scope.spawn(move || {
                let mut held = Vec::new();
                for index in 0..each {
                    held.push(throttle.admit(Instant::now()).unwrap());
                    if held.len() > 16 {
                        let at = (index.wrapping_mul(seed + 7) % held.len() as u64) as usize;
                        let permit = held.swap_remove(at);
                        permit.record(if index % 3 == 0 { Failure } else { Success });
                    }
                }
                for permit in held {
                    permit.record(Success);
                }
            });
        }
    });
    let numbers = throttle.numbers();
    assert_eq!((numbers.requests, numbers.under_way, numbers.overdue), (8 * each, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_the_word_holds_are_counted() {
    let throttle = throttle(scripted());
    let many = 150_000;
    let calls: Vec<_> = (0..many).map(|_| throttle.admit(Instant::now()).unwrap()).collect();
    assert_eq!(throttle.numbers().under_way, many);
    for permit in calls {
        permit.record(Success);
    }
    let numbers = throttle.numbers();
    assert_eq!((numbers.requests, numbers.accepted, numbers.under_way), (many, many, 0));
}
