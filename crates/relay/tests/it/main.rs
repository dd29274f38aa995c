//! What Relay promises: at its router, and as a running process.

mod api;
mod api_admission;
mod api_application;
mod api_attempt;
mod api_auth;
mod api_docs;
mod api_endpoint;
mod api_errors;
mod api_event_type;
mod api_idempotency;
mod api_manual;
mod api_message;
mod api_pages;
mod api_rate;
mod api_task;
mod cli;
mod e2e;
mod events;
mod failing_sync;
mod listen;
mod operators;
mod process;
mod shutdown;
mod upgrade;
mod weak;
