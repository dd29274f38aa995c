//! Integration tests.

mod auto_traits;
mod backup;
mod counts;
mod failing_disk;
mod failing_sync;
mod id;
mod idempotency;
mod log;
mod migrate;
mod model;
mod opening;
mod options;
mod panic;
mod rate;
mod reader;
mod record;
mod server;
mod steps;
mod support;
mod writer;
