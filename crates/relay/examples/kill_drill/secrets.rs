//! The secrets of an endpoint as its owner knows them, and whether a request was signed with those of its time.

use axum::http::HeaderMap;
use linchpin::time::Timestamp;
use standardwebhooks::Webhook;

use crate::Failure;

/// For so long a secret that was replaced signs beside the new one.
pub(crate) const GRACE_SECONDS: u64 = 1;
/// So many of the secrets that have ended are tried.
const ENDED: usize = 4;

/// Those of one endpoint, oldest first.
pub(crate) struct Secrets(Vec<Known>);

struct Known {
    text: String,
    webhook: Webhook,
    /// When it was known to be in its place.
    placed: Option<Timestamp>,
    /// When it signed no more, at the latest.
    ended: Option<Timestamp>,
}

impl Secrets {
    /// Those of an endpoint that is made with this one.
    pub(crate) fn new(text: &str) -> Result<Self, Failure> {
        let first = Known { placed: Some(Timestamp::now()), ..Known::new(text)? };
        Ok(Self(vec![first]))
    }

    /// A secret is asked for. From here on it may sign.
    pub(crate) fn asked(&mut self, text: &str) -> Result<(), Failure> {
        self.0.push(Known::new(text)?);
        Ok(())
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
        if !self.0[firm..].iter().any(|known| signed.by(&known.webhook)) {
            return Err("no secret of its time has signed it".to_owned());
        }
        let ended = self.0[..firm].iter().rev().filter(|known| was(known.ended)).take(ENDED);
        if ended.into_iter().any(|known| signed.by(&known.webhook)) {
            return Err("a secret that had ended has signed it".to_owned());
        }
        Ok(())
    }
}

impl Known {
    fn new(text: &str) -> Result<Self, Failure> {
        let webhook = Webhook::new(text)?;
        Ok(Self { text: text.to_owned(), webhook, placed: None, ended: None })
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

    /// Whether one of the signatures was made with this secret.
    fn by(&self, webhook: &Webhook) -> bool {
        let made = webhook.sign(self.id, self.timestamp, self.body);
        made.is_ok_and(|made| self.signatures.split(' ').any(|signature| signature == made))
    }
}
