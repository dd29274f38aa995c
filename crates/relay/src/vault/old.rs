//! Secrets that were replaced, and still sign for a time.

use linchpin::time::Timestamp;
use linchpin::{Error, Kind, Result};
use linchpin_security::secret::SecretString;
use linchpin_security::webhook::Secret;

/// Secrets that sign beside the one that has replaced them, each until its time: the first to end first.
#[derive(Clone, Debug, Default)]
pub(crate) struct OldSecrets(Vec<(Timestamp, Secret)>);

impl OldSecrets {
    /// Reads what [`write`](Self::write) has written.
    ///
    /// # Errors
    ///
    /// [`Kind::Internal`], if it was not.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let one = |line: &str| {
            let (until, secret) = line.split_once(' ')?;
            Some((Timestamp::from_micros(until.parse().ok()?), secret.parse().ok()?))
        };
        let all: Option<_> = text.lines().map(one).collect();
        all.map(Self).ok_or_else(|| Error::new(Kind::Internal, "these are no old secrets"))
    }

    /// The text to seal: a line for each, with the microsecond of its end. `None` if there are none.
    pub(crate) fn write(&self) -> Option<SecretString> {
        let line = |(until, secret): &(Timestamp, Secret)| {
            format!("{} {}\n", until.as_micros(), secret.expose())
        };
        let text: String = self.0.iter().map(line).collect();
        (!text.is_empty()).then(|| text.into())
    }

    /// Keeps a secret until then.
    pub(crate) fn add(&mut self, until: Timestamp, secret: Secret) {
        let at = self.0.partition_point(|(other, _)| *other <= until);
        self.0.insert(at, (until, secret));
    }

    /// Drops those whose time is over, and `secret`, which is not an old one any more.
    pub(crate) fn drop_ended(&mut self, now: Timestamp, secret: &Secret) {
        self.0.retain(|(until, old)| *until > now && old.expose() != secret.expose());
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Timestamp, Secret)> {
        self.0.iter()
    }
}
