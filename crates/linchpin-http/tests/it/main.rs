//! Integration tests.

mod address;
mod client;
mod drain;
mod lifecycle;
mod middleware;
mod problem;
mod server;
mod signals;
mod support;
mod url;
