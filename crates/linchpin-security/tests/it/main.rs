//! Integration tests.

mod config;
mod jwt;
mod secret;
mod webhook;
