//! Experiments: a trade-off each, run here, drawn and explained.
//!
//! ```text
//! cargo run --release -p lab -- list
//! cargo run --release -p lab -- explain storm
//! cargo run --release -p lab -- run storm            # a table, and target/lab/storm.svg
//! cargo run --release -p lab -- compare storm naive stack
//! ```
//!
//! An experiment runs under a clock of its own, which moves when nobody has anything to do, and with seeded chance: the
//! same seed gives the same figures to the last digit, on any machine.

#![forbid(unsafe_code)]

pub mod cli;
pub mod storm;
