//! Numbered schema changes, each applied once, in order, in a transaction of its own.
//!
//! What was applied stands in the table `_linchpin_migrations`, with a checksum of its SQL. A database
//! that a newer binary has touched is refused, and so is one whose applied migrations differ from
//! this binary's: both would otherwise fail later, in the middle of a request.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use aws_lc_rs::digest;
use linchpin::{Error, Kind, Result};

/// One schema change.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its place in the order; from 1, gaps allowed.
    pub version: u32,
    /// What it does, in a word or two, for messages.
    pub name: &'static str,
    /// The statements. They run inside a transaction and must not end it.
    pub sql: &'static str,
}

impl Migration {
    fn checksum(&self) -> digest::Digest {
        digest::digest(&digest::SHA256, self.sql.as_bytes())
    }
}

/// A checked list of [`Migration`]s, in ascending order of version.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    list: &'static [Migration],
}

impl Migrations {
    /// Checks the list.
    ///
    /// # Errors
    ///
    /// [`Kind::InvalidArgument`] when a version is 0 or not greater than the one before it.
    pub fn new(list: &'static [Migration]) -> Result<Self> {
        let mut last = 0;
        for Migration { version, name, .. } in list {
            if *version <= last {
                let why = format!(
                    "migration {version} ({name}) follows {last}: versions start at 1 and ascend"
                );
                return Err(Error::new(Kind::InvalidArgument, why));
            }
            last = *version;
        }
        Ok(Self { list })
    }

    /// What is to be done where `applied` was, which is in ascending order.
    fn pending(&self, applied: &[Applied]) -> Result<Vec<Migration>> {
        // Newest first, so that a message about a newer database names where it stands now.
        for found in applied.iter().rev() {
            let Some(known) = self.list.iter().find(|known| known.version == found.version) else {
                return Err(self.unknown(found));
            };
            if known.checksum().as_ref() != found.checksum {
                return Err(drifted(known, found));
            }
        }
        let newest = applied.last().map_or(0, |found| found.version);
        let pending =
            |known: &&Migration| applied.iter().all(|found| found.version != known.version);
        let plan: Vec<Migration> = self.list.iter().filter(pending).copied().collect();
        match plan.first() {
            Some(late) if late.version < newest => Err(refused(format!(
                "migration {} ({}) comes before version {newest}, which this database already has: \
                 give it a greater version",
                late.version, late.name,
            ))),
            _ => Ok(plan),
        }
    }

    fn unknown(&self, found: &Applied) -> Error {
        let newest = self.list.last().map_or(0, |known| known.version);
        if found.version > newest {
            return refused(format!(
                "this database is at version {} ({}), this binary knows up to {newest}: \
                 use a newer binary",
                found.version, found.name,
            ));
        }
        refused(format!(
            "this database has migration {} ({}), which this binary lacks",
            found.version, found.name,
        ))
    }
}

/// A row of the table.
struct Applied {
    version: u32,
    name: String,
    checksum: Vec<u8>,
}

fn drifted(known: &Migration, found: &Applied) -> Error {
    refused(format!(
        "migration {} was applied as `{}` with checksum {}, this binary has `{}` with checksum {}: \
         an applied migration must stay as it was, add a new one instead",
        known.version,
        found.name,
        short(&found.checksum),
        known.name,
        short(known.checksum().as_ref()),
    ))
}

fn refused(why: String) -> Error {
    Error::new(Kind::FailedPrecondition, why)
}

/// The first bytes of a checksum, enough to tell two apart in a message.
fn short(checksum: &[u8]) -> String {
    format!("{:016x}", checksum.first_chunk().map_or(0, |first| u64::from_be_bytes(*first)))
}
