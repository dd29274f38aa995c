//! The real binary and a real receiver, driven by the official client and by plain HTTP.
//!
//! `suite.rs` runs once for each major version of the client; the rest needs bytes that no client would send.

mod auth;
mod delivery;
mod held_back;
mod operational;
mod policies;
mod recover;
mod restart;
mod v1;
mod v2;
mod wishes;
