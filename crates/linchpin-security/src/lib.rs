//! Webhook signatures, bearer tokens, secrets and layered configuration.
//!
//! | module | what it gives |
//! |---|---|
//! | [`webhook`] | sign and verify deliveries by the Standard Webhooks rules |
//! | [`jwt`] | issue and verify HMAC bearer tokens with one pinned algorithm |
//! | [`secret`] | text that is never printed, and a judgement of its strength |
//! | [`seal`] | secrets at rest: sealed by a keyring that can be rotated, each bound to its place |
//! | [`config`] | settings from flags, environment, file and defaults, each with its origin |
//!
//! All cryptography is aws-lc's. Nothing here reads a clock, the environment or a file: time, variables and text
//! are arguments, so that a test needs no waiting and touches no process state.

#![forbid(unsafe_code)]

pub mod config;
pub mod jwt;
pub mod seal;
pub mod secret;
pub mod webhook;
