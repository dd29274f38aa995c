//! Integration tests.

mod address;
mod admission;
mod arriving;
mod auto_traits;
mod bulkhead;
mod client;
mod client_dial;
mod drain;
mod forwarded;
mod lifecycle;
mod middleware;
mod notify;
mod options;
mod panic;
mod per_caller;
mod port;
mod problem;
mod proxy;
mod rate_limit;
mod server;
mod server_crowd;
mod server_slow;
mod signals;
mod steps;
mod support;
mod url;
