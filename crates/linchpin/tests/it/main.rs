//! What the toolkit's vocabulary promises.

mod bulkhead;
mod catalogue;
mod context;
mod error;
mod group;
mod registry;
mod retry;
mod task;
mod tidy;
mod time;
mod watch;
