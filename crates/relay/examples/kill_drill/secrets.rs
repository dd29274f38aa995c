//! The secrets of an endpoint as its owner knows them, and whether a request was signed with those of its time.
//!
//! Shared secrets and key pairs follow each other, so that while old ones sign both kinds do. Signatures are looked at by other
//! libraries than the one that made them.

use axum::http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use linchpin::time::Timestamp;
use linchpin_security::webhook::Secret;
use standardwebhooks::Webhook;

use crate::Failure;

/// For so long a secret that was replaced signs beside the new one.
pub(crate) const GRACE_SECONDS: u64 = 1;
/// So many of the secrets that have ended are tried: one of each kind.
const ENDED: usize = 2;

/// Those of one endpoint, oldest first.
pub(crate) struct Secrets(Vec<Known>);

struct Known {
    /// As the service shows it.
    text: String,
    key: Key,
    /// When it was known to be in its place.
    placed: Option<Timestamp>,
    /// When it signed no more, at the latest.
    ended: Option<Timestamp>,
}

/// What a receiver verifies with.
enum Key {
    Shared(Webhook),
    Public(DecodingKey),
}

/// What the service shows of a secret: of a key pair the half that verifies.
pub(crate) fn shown(secret: &Secret) -> String {
    secret.public_key().map_or_else(|| secret.expose().to_owned(), |key| key.to_string())
}

/// A secret of either kind.
pub(crate) fn any() -> Secret {
    if fastrand::bool() { Secret::generate_pair() } else { Secret::generate() }
}

impl Secrets {
    /// Those of an endpoint that is made with this one.
    pub(crate) fn new(secret: &Secret) -> Result<Self, Failure> {
        let first = Known { placed: Some(Timestamp::now()), ..Known::new(secret)? };
        Ok(Self(vec![first]))
    }

    /// A secret of the other kind to ask for. From here on it may sign.
    pub(crate) fn next(&mut self) -> Result<Secret, Failure> {
        let next = match self.0.last() {
            Some(Known { key: Key::Shared(_), .. }) => Secret::generate_pair(),
            _ => Secret::generate(),
        };
        self.0.push(Known::new(&next)?);
        Ok(next)
    }

    /// This is the one in its place: that which was asked for last, or the one before it, if the request was not heard.
    ///
    /// # Errors
    ///
    /// If it is another.
    pub(crate) fn is_placed(&mut self, text: &str) -> Result<(), Failure> {
        if self.0.last().is_some_and(|last| last.placed.is_none() && last.text != text) {
            self.0.pop();
        }
        let before = self.0.len().saturating_sub(2);
        let last = self.0.last_mut().filter(|last| last.text == text);
        let last = last.ok_or("an endpoint has a secret that it was not given")?;
        if last.placed.is_none() {
            let now = Timestamp::now();
            last.placed = Some(now);
            self.0[before].ended = Some(now + std::time::Duration::from_secs(GRACE_SECONDS));
        }
        Ok(())
    }

    /// The one that was in its place last.
    pub(crate) fn present(&self) -> &str {
        let placed = self.0.iter().rev().find(|known| known.placed.is_some());
        placed.map_or("", |known| &known.text)
    }

    /// How many were in its place so far.
    pub(crate) fn placed(&self) -> usize {
        self.0.iter().filter(|known| known.placed.is_some()).count()
    }

    /// Whether a request is signed by a secret that was in its place when it was signed, or a newer one, and by none that
    /// had ended.
    pub(crate) fn judge(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
        let signed = Signed::read(headers, body).ok_or("it has no id, time or signature")?;
        let at = signed.timestamp.saturating_mul(1_000_000);
        let was = |time: Option<Timestamp>| time.is_some_and(|time| time.as_micros() <= at);
        let firm = self.0.iter().rposition(|known| was(known.placed)).unwrap_or(0);
        if !self.0[firm..].iter().any(|known| signed.by(&known.key)) {
            return Err("no secret of its time has signed it".to_owned());
        }
        let ended = self.0[..firm].iter().rev().filter(|known| was(known.ended)).take(ENDED);
        if ended.into_iter().any(|known| signed.by(&known.key)) {
            return Err("a secret that had ended has signed it".to_owned());
        }
        Ok(())
    }
}

impl Known {
    fn new(secret: &Secret) -> Result<Self, Failure> {
        let text = shown(secret);
        let key = match text.strip_prefix("whpk_") {
            Some(public) => Key::Public(DecodingKey::from_ed_components(&web_safe(public))?),
            None => Key::Shared(Webhook::new(&text)?),
        };
        Ok(Self { text, key, placed: None, ended: None })
    }
}

/// What a request says of its signatures.
struct Signed<'a> {
    id: &'a str,
    timestamp: i64,
    signatures: &'a str,
    body: &'a [u8],
}

impl<'a> Signed<'a> {
    fn read(headers: &'a HeaderMap, body: &'a [u8]) -> Option<Self> {
        let header = |name| headers.get(name)?.to_str().ok();
        let timestamp = header("svix-timestamp")?.parse().ok()?;
        Some(Self {
            id: header("svix-id")?,
            timestamp,
            signatures: header("svix-signature")?,
            body,
        })
    }

    /// Whether one of the signatures was made with the secret that this belongs to.
    fn by(&self, key: &Key) -> bool {
        let mut signatures = self.signatures.split(' ');
        match key {
            Key::Shared(webhook) => {
                let made = webhook.sign(self.id, self.timestamp, self.body);
                made.is_ok_and(|made| signatures.any(|signature| signature == made))
            }
            Key::Public(key) => {
                let said =
                    [format!("{}.{}.", self.id, self.timestamp).as_bytes(), self.body].concat();
                signatures.filter_map(|one| one.strip_prefix("v1a,")).any(|signature| {
                    crypto::verify(&web_safe(signature), &said, key, Algorithm::EdDSA)
                        .is_ok_and(|verified| verified)
                })
            }
        }
    }
}

/// Base64 as tokens have it, which is what the library reads.
fn web_safe(base64: &str) -> String {
    base64.trim_end_matches('=').replace('+', "-").replace('/', "_")
}
