//! Integration tests.

mod failing_disk;
mod id;
mod idempotency;
mod migrate;
mod model;
mod opening;
mod reader;
mod support;
mod writer;
