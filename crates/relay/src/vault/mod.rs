//! What is secret of an endpoint: sealed wherever it is kept, opened where it is used.
//!
//! Each text is bound to the place where it is kept: who can write to the database and has no key cannot move a secret
//! from one endpoint to another. A text in clear does not open either, once the first start has sealed what an older Relay left
//! in clear. Who can write to all of the database can have it taken for such a start.
//!
//! What deliveries need is opened once and remembered while the sealed texts stay what they are: it is asked for with
//! every message, on the thread that writes.

mod old;
mod signers;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use linchpin::error::ResultExt as _;
use linchpin::sync::Mutex;
use linchpin::{Error, Kind, Result};
use linchpin_security::seal::{Keyring, OpenError, ParseKeyringError, Sealed};
use linchpin_security::secret::SecretString;
use linchpin_security::webhook::Secret;
use rusqlite::Row;

pub(crate) use self::old::OldSecrets;
pub(crate) use self::signers::Signers;
#[cfg(feature = "planted-faults")]
pub use self::signers::plant_unbound_pairs;
use crate::ids::{AppId, EndpointId, OrgId};
use crate::model::headers::Headers;

/// The keys, and what they have opened. Clones share it; `Debug` shows the ids of the keys.
#[derive(Clone)]
pub struct Vault {
    kind: SignatureType,
    shared: Arc<Shared>,
}

/// What signs deliveries to an endpoint that brings no secret.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SignatureType {
    /// A key pair, whose public half receivers get.
    Ed25519,
    /// A secret that receivers have, too.
    #[default]
    HmacSha256,
}

struct Shared {
    keyring: Keyring,
    /// The ids of its keys, the current one first.
    ids: Vec<String>,
    known: Mutex<HashMap<EndpointId, Known>>,
}

/// What was opened, and the texts that it was then.
struct Known {
    texts: Texts<String>,
    opened: Arc<Opened>,
}

/// What deliveries to an endpoint need of its secrets.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) signers: Signers,
    /// What is sent besides our own headers.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// An endpoint, with whom it belongs to.
pub(crate) type Owner = (OrgId, AppId, EndpointId);

/// The part of the vault that is an endpoint's.
pub(crate) struct Drawer<'a> {
    vault: &'a Vault,
    endpoint: Owner,
}

/// A column of `endpoint` that is sealed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Field {
    Secret,
    OldSecrets,
    Headers,
}

/// The sealed columns of an endpoint, as they are in the database.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Texts<T> {
    pub(crate) secret: T,
    pub(crate) old_secrets: Option<T>,
    pub(crate) headers: Option<T>,
}

/// So many endpoints are remembered. When they are more all are opened anew, some microseconds each.
const KNOWN: usize = 16_384;
/// Where the proof of a key is kept, by its id.
const PROOF: &[u8] = b"keyring.proof";

// ===== impl Vault =====

impl Vault {
    /// With the keys of a [keyring](Keyring::parse), the current one first.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn parse(keys: &str) -> Result<Self, ParseKeyringError> {
        let keyring = Keyring::parse(keys)?;
        let id = |key: &str| key.split_once(':').map(|(id, _)| id.to_owned());
        let ids = keys.split(',').filter_map(id).collect();
        let shared = Arc::new(Shared { keyring, ids, known: Mutex::default() });
        Ok(Self { kind: SignatureType::default(), shared })
    }

    /// The ids of the keys, the current one first.
    pub(crate) fn ids(&self) -> &[String] {
        &self.shared.ids
    }

    /// What shows later that the current key is still the one it was.
    pub(crate) fn proof(&self) -> Sealed {
        self.shared.keyring.seal(&[PROOF, self.ids()[0].as_bytes()], b"")
    }

    /// Whether the key with this id is the one that made the proof.
    pub(crate) fn proves(&self, id: &str, proof: &str) -> Result<(), OpenError> {
        self.shared.keyring.open(&[PROOF, id.as_bytes()], proof).map(drop)
    }

    /// The same vault, whose new secrets are of this kind.
    #[must_use]
    pub fn making(mut self, kind: SignatureType) -> Self {
        self.kind = kind;
        self
    }

    /// A secret for an endpoint that brings none.
    pub(crate) fn new_secret(&self) -> Secret {
        match self.kind {
            SignatureType::Ed25519 => Secret::generate_pair(),
            SignatureType::HmacSha256 => Secret::generate(),
        }
    }

    /// What is kept of an endpoint.
    pub(crate) fn drawer(&self, endpoint: Owner) -> Drawer<'_> {
        Drawer { vault: self, endpoint }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("ids", &self.shared.ids).finish_non_exhaustive()
    }
}

// ===== impl Drawer =====

impl Drawer<'_> {
    /// Seals a text for this endpoint with the current key.
    pub(crate) fn seal(&self, field: Field, text: &str) -> Sealed {
        self.vault.shared.keyring.seal(&self.place(field), text.as_bytes())
    }

    /// Whether a text says that the current key has sealed it.
    pub(crate) fn is_current(&self, sealed: &str) -> bool {
        self.vault.shared.keyring.is_current(sealed)
    }

    /// What was sealed for this endpoint.
    ///
    /// # Errors
    ///
    /// [`Kind::Internal`]: it was not, or its key is not there.
    pub(crate) fn open(&self, field: Field, sealed: &str) -> Result<SecretString> {
        let bytes = self.vault.shared.keyring.open(&self.place(field), sealed)?;
        Ok(std::str::from_utf8(bytes.expose()).kind(Kind::Internal)?.into())
    }

    /// The secret that signs.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub(crate) fn secret(&self, sealed: &str) -> Result<Secret> {
        let text = self.open(Field::Secret, sealed)?;
        text.expose().parse().map_err(|fault| Error::new(Kind::Internal, fault))
    }

    /// The secrets that were replaced.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub(crate) fn old_secrets(&self, sealed: Option<&str>) -> Result<OldSecrets> {
        let Some(sealed) = sealed else { return Ok(OldSecrets::default()) };
        OldSecrets::parse(self.open(Field::OldSecrets, sealed)?.expose())
    }

    /// The headers that deliveries have besides our own.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub(crate) fn headers(&self, sealed: Option<&str>) -> Result<Headers> {
        let Some(sealed) = sealed else { return Ok(Headers::default()) };
        Headers::parse(self.open(Field::Headers, sealed)?.expose())
    }

    /// What deliveries need, opened at most once for as long as the texts stay the same.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub(crate) fn opened(&self, texts: Texts<&str>) -> Result<Arc<Opened>> {
        let (.., endpoint) = self.endpoint;
        let is_same = |known: &&Known| known.texts.borrowed() == texts;
        if let Some(known) = self.vault.shared.known.lock().get(&endpoint).filter(is_same) {
            return Ok(known.opened.clone());
        }
        let old = self.old_secrets(texts.old_secrets)?;
        let opened = Arc::new(Opened {
            signers: Signers::new(&self.secret(texts.secret)?, &old),
            headers: self.headers(texts.headers)?.sendable()?,
        });
        let mut known = self.vault.shared.known.lock();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(endpoint, Known { texts: texts.owned(), opened: opened.clone() });
        Ok(opened)
    }

    /// What a text is bound to: it opens in no other column, and for no other endpoint.
    fn place(&self, field: Field) -> [&[u8]; 4] {
        let (org, app, endpoint) = &self.endpoint;
        [field.name(), org.as_bytes(), app.as_bytes(), endpoint.as_bytes()]
    }
}

// ===== impl Field =====

impl Field {
    /// Bound to each text: it never changes.
    fn name(self) -> &'static [u8] {
        match self {
            Self::Secret => b"endpoint.secret",
            Self::OldSecrets => b"endpoint.old_secrets",
            Self::Headers => b"endpoint.headers",
        }
    }
}

// ===== impl Texts =====

impl<'a> Texts<&'a str> {
    /// Reads the columns `secret` and, from `rest` on, `old_secrets` and `headers`.
    pub(crate) fn read(row: &'a Row<'_>, secret: usize, rest: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            secret: row.get_ref(secret)?.as_str()?,
            old_secrets: row.get_ref(rest)?.as_str_or_null()?,
            headers: row.get_ref(rest + 1)?.as_str_or_null()?,
        })
    }

    fn owned(&self) -> Texts<String> {
        Texts {
            secret: self.secret.to_owned(),
            old_secrets: self.old_secrets.map(str::to_owned),
            headers: self.headers.map(str::to_owned),
        }
    }
}

impl Texts<String> {
    fn borrowed(&self) -> Texts<&str> {
        Texts {
            secret: &self.secret,
            old_secrets: self.old_secrets.as_deref(),
            headers: self.headers.as_deref(),
        }
    }
}
