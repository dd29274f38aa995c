//! Stacks of policies: the order, what is refused, and that a call through all of them keeps the rules of each.

mod build;
mod cases;
mod hedge;
mod layer;
mod life;
mod rules;
mod shed;

use linchpin::resilience::stack::{Builder, Stack};

pub(crate) use crate::retry::{MS, SECOND, at_once, exact};

pub(crate) fn client() -> Builder {
    Stack::client("test")
}
