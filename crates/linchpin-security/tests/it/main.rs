//! Integration tests.

mod auto_traits;
mod config;
mod jwt;
mod seal;
mod secret;
mod webhook;
mod webhook_pair;
