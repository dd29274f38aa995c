//! Integration tests.

mod auto_traits;
mod config;
mod jwt;
mod secret;
mod webhook;
