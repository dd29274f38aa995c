//! Stores of rates: one suite for all, faults planted and real, and a fleet of processes.

mod drills;
mod fleet;
mod migrating;
mod plants;
mod random;
mod stores;
mod suite;
