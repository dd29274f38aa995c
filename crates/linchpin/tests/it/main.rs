//! What the toolkit's vocabulary promises.

mod bulkhead;
mod catalogue;
mod context;
mod error;
mod error_join;
mod error_parity;
mod error_support;
mod group;
mod panic;
mod panic_policy;
mod retry;
mod sentinel;
mod task;
mod tidy;
mod time;
