//! What a lock notes of itself in release builds: nothing.

use std::time::Duration;

use super::report::Access;

pub(super) struct Identity;

pub(super) struct Hold;

pub(crate) struct Mark;

pub(super) fn set_hold_bound(_: Duration) {}

impl Identity {
    pub(super) const fn new() -> Self {
        Self
    }

    pub(super) const fn named(_: &'static str) -> Self {
        Self
    }

    #[inline(always)]
    pub(super) fn before(&self, _: Access, _: Option<&Self>) {}

    #[inline(always)]
    pub(super) fn taken(&self, _: Access) -> Hold {
        Hold
    }
}

impl Mark {
    #[inline(always)]
    pub(crate) fn here() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn nothing_is_held_since(&self) {}
}
