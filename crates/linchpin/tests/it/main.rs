//! What the toolkit's vocabulary promises.

mod auto_traits;
mod bulkhead;
mod carrier;
mod catalogue;
mod context;
mod context_parity;
mod context_parts;
mod error;
mod error_join;
mod error_parity;
mod error_support;
mod group;
mod guide;
mod options;
mod panic;
mod panic_policy;
mod registry;
mod retry;
mod sentinel;
mod source;
mod task;
mod tidy;
mod tidy_docs;
mod tidy_options;
mod time;
mod watch;
