//! Integration tests.

mod address;
mod auto_traits;
mod client;
mod drain;
mod lifecycle;
mod middleware;
mod options;
mod panic;
mod problem;
mod rate_limit;
mod server;
mod signals;
mod steps;
mod support;
mod url;
