//! The test kit is tested too: a check that cannot fail proves nothing.

mod leak;
mod steps;
