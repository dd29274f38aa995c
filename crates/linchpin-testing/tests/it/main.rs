//! The test kit is tested too: a check that cannot fail proves nothing.

mod auto_traits;
mod harness;
mod leak;
mod options;
mod steps;
