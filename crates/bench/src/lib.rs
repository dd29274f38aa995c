//! Our components beside their peers and the floor of the machine, in one run.
//!
//! `scripts/bench AREA` measures an [`Area`](area::Area), prints a table and writes
//! `target/bench/AREA.jsonl`, one [`Row`](row::Row) a line. Figures move between runs, machines and
//! hours; what counts is the ratio of two rows of one run.
//!
//! | module | what is in it |
//! |---|---|
//! | [`area`] | the areas there are |
//! | [`harness`] | samples taken in turn, calibrated, after a warm-up |
//! | [`row`], [`stats`] | what comes out, and how samples become three figures |
//! | [`floor`], [`context`], [`registry`], [`tasks`], [`sync`], [`resilience`], [`relay`] | an area each |
//! | [`context_tree`], `tasks_*`, `sync_*`, `resilience_*` | rows of the area before the underscore |
//! | [`memory`] | how much of it a process holds |
//! | [`go`] | Go as a peer, where it is installed |
//!
//! A new row is one entry in the list that its area's `operations` returns.

#![forbid(unsafe_code)]

pub mod area;
pub mod context;
pub mod context_tree;
pub mod floor;
pub mod go;
pub mod harness;
pub mod memory;
pub mod registry;
pub mod relay;
pub mod resilience;
pub mod resilience_admission;
pub mod resilience_balancer;
pub mod resilience_breaker;
pub mod resilience_bulkhead;
pub mod resilience_coalesce;
pub mod resilience_hedge;
pub mod resilience_limiter;
pub mod resilience_retry;
pub mod resilience_stack;
pub mod resilience_store;
pub mod resilience_throttle;
pub mod resilience_timeout;
pub mod row;
pub mod stats;
pub mod sync;
pub mod sync_batch;
pub mod sync_bus;
pub mod sync_counter;
pub mod sync_event;
pub mod sync_lanes;
pub mod sync_map;
pub mod sync_objects;
pub mod sync_once;
pub mod sync_semaphore;
pub mod sync_singleflight;
pub mod tasks;
pub mod tasks_fan;
pub mod tasks_group;
pub mod tasks_pipeline;
pub mod tasks_pool;
pub mod tasks_pool_data;
pub mod tasks_timers;
