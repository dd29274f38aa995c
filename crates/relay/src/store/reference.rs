//! How a request names things: by our id or by the caller's own.

use std::str::FromStr;

use linchpin::Result;
use linchpin::time::Timestamp;
use linchpin_data::Id;
use linchpin_data::id::Tag;
use rusqlite::Connection;

use super::{Refusal, application};
use crate::ids::{AppId, AppTag, OrgId};

/// An id, or the caller's own identifier (`uid`, `eventId`).
///
/// Any text is one: own identifiers cannot begin with the prefix of our ids, so a text that does and is not an id
/// names nothing.
#[derive(Debug)]
pub enum Reference<T> {
    /// Ours.
    Id(Id<T>),
    /// The caller's.
    Own(String),
}

/// Which application a request is about, and who asks.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The tenant of the token.
    pub org: OrgId,
    /// The application that the token is limited to, if it is.
    pub only: Option<AppId>,
    /// The application itself.
    pub app: Which,
}

/// Which application of an organisation.
#[derive(Clone, Debug)]
pub enum Which {
    /// The one that a path names.
    Named(Reference<AppTag>),
    /// The one that no path names and no list shows: its endpoints get operational webhooks.
    Operational,
}

// ===== impl Reference =====

impl<T: Tag> From<&str> for Reference<T> {
    fn from(text: &str) -> Self {
        Id::from_str(text).map_or_else(|_| Self::Own(text.to_owned()), Self::Id)
    }
}

impl<T> Reference<T> {
    /// The id, if it is one.
    pub fn id(&self) -> Option<Id<T>> {
        match self {
            Self::Id(id) => Some(*id),
            Self::Own(_) => None,
        }
    }

    /// The caller's own identifier, if it is one.
    pub fn own(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::Own(own) => Some(own),
        }
    }
}

// Written out, since a derive would ask the same of the tag, which is never a value.
impl<T> Clone for Reference<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Id(id) => Self::Id(*id),
            Self::Own(own) => Self::Own(own.clone()),
        }
    }
}

// ===== impl Which =====

impl From<&str> for Which {
    fn from(text: &str) -> Self {
        Self::Named(text.into())
    }
}

// ===== impl Scope =====

impl Scope {
    /// The endpoints of an organisation for operational webhooks.
    #[must_use]
    pub fn operational(org: OrgId) -> Self {
        Self { org, only: None, app: Which::Operational }
    }

    /// Whether it is that.
    pub(super) fn is_operational(&self) -> bool {
        matches!(self.app, Which::Operational)
    }

    /// The application's id.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] if there is none such for this caller.
    pub(super) fn resolve(&self, conn: &Connection) -> Result<AppId> {
        let app = application::id_of(conn, self.org, &self.app)?.ok_or(Refusal::NotFound)?;
        self.admit(app)
    }

    /// The same for who makes something in it: the application that nobody makes by a request is made if it is not there.
    pub(super) fn resolve_or_make(&self, conn: &Connection, now: Timestamp) -> Result<AppId> {
        match self.resolve(conn) {
            Err(error) if self.is_operational() && error.is(&Refusal::NotFound) => {
                application::insert_operational(conn, self.org, now)
            }
            resolved => resolved,
        }
    }

    /// `app`, if the token is good for it.
    pub(super) fn admit(&self, app: AppId) -> Result<AppId> {
        match self.only {
            Some(only) if only != app => Err(Refusal::NotFound.into()),
            _ => Ok(app),
        }
    }
}
