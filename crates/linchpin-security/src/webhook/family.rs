//! How the three headers are called.

use crate::config::Choice;

/// Which names the headers of a delivery go by. The values are the same under every name.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Family {
    /// Both, for receivers of either kind.
    Both,
    /// `svix-id`, `svix-timestamp`, `svix-signature`: what the Svix libraries look for first.
    #[default]
    Svix,
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`: the vendor-neutral names.
    Webhook,
}

/// The three header names of one family, in lower case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Names {
    /// Carries the message id.
    pub id: &'static str,
    /// Carries one or more signatures with a blank between.
    pub signature: &'static str,
    /// Carries the seconds since the Unix epoch at which the attempt began.
    pub timestamp: &'static str,
}

impl Family {
    /// The names to send, one entry per family; `svix-*` comes first.
    #[must_use]
    pub const fn names(self) -> &'static [Names] {
        match self {
            Self::Both => &[SVIX, WEBHOOK],
            Self::Svix => &[SVIX],
            Self::Webhook => &[WEBHOOK],
        }
    }
}

impl Choice for Family {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("svix", Self::Svix), ("webhook", Self::Webhook), ("both", Self::Both)];
}

pub(super) const SVIX: Names =
    Names { id: "svix-id", signature: "svix-signature", timestamp: "svix-timestamp" };
pub(super) const WEBHOOK: Names =
    Names { id: "webhook-id", signature: "webhook-signature", timestamp: "webhook-timestamp" };
