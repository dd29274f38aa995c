//! Integration tests.

mod address;
mod auto_traits;
mod client;
mod drain;
mod lifecycle;
mod middleware;
mod options;
mod problem;
mod server;
mod signals;
mod support;
mod url;
