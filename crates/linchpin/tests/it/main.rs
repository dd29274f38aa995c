//! What the toolkit's vocabulary promises.

mod bulkhead;
mod carrier;
mod catalogue;
mod context;
mod context_parts;
mod error;
mod group;
mod retry;
mod task;
mod tidy;
mod time;
