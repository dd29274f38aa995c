//! The Linchpin guide: one chapter a pattern, Go on the left, Rust on the right.
//!
//! The chapters are the markdown files in `chapters/`; each is included here as documentation, so that `cargo test -p
//! guide` compiles and runs every sample, and `cargo doc -p guide --open` is the book. The names are those of the
//! catalogue, `PATTERNS.md`.

#![forbid(unsafe_code)]

/// One module a chapter, documented by its file.
macro_rules! chapters {
    ($($name:ident $file:literal;)*) => {$(
        #[doc = include_str!(concat!("../chapters/", $file, ".md"))]
        pub mod $name {}
    )*};
}

chapters! {
    c1_worker_pool "C1-worker-pool";
    c2_pipeline "C2-pipeline";
    c3_fan_out "C3-fan-out";
    c4_context "C4-context";
    c5_tickers_and_timers "C5-tickers-and-timers";
    c6_semaphore "C6-semaphore";
    c6b_events_and_latches "C6b-events-and-latches";
    c7_errgroup "C7-errgroup";
    c8_select "C8-select";
    c9_non_blocking_channels "C9-non-blocking-channels";
    e1_wrapping "E1-wrapping";
    e2_sentinels "E2-sentinels";
    e3_inspection "E3-inspection";
    e4_error_types "E4-error-types";
    e5_panics "E5-panics";
    e6_retry "E6-retry";
    l1_values_and_handles "L1-values-and-handles";
    l2_interfaces "L2-interfaces";
    l3_any "L3-any";
    l4_embedding "L4-embedding";
    l5_tags "L5-tags";
    l6_options "L6-options";
    l7_zero_values "L7-zero-values";
    n6_rate_limiting "N6-rate-limiting";
    n7_circuit_breaker "N7-circuit-breaker";
    n7b_adaptive_throttle "N7b-adaptive-throttle";
    n7c_stack "N7c-stack";
    n7d_balancer "N7d-balancer";
    n7e_chaos "N7e-chaos";
    p1_object_pools "P1-object-pools";
    p2_task_leaks "P2-task-leaks";
    p2b_supervisor "P2b-supervisor";
    p4_batching "P4-batching";
    p5_lock_striping "P5-lock-striping";
    p6_atomic_operations "P6-atomic-operations";
    t6_races "T6-races";
    u1_context_keys "U1-context-keys";
    u2_large_configurations "U2-large-configurations";
    u3_iterators "U3-iterators";
    u4_publish_and_subscribe "U4-publish-and-subscribe";
    u5_once_and_single_flight "U5-once-and-single-flight";
    u6_cooperative_cancellation "U6-cooperative-cancellation";
    x3_pitfalls "X3-pitfalls";
}
