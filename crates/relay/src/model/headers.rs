//! Headers that an endpoint wants with every delivery.
//!
//! Names are in lower case, as HTTP/2 has them and as they are sent. What a delivery has by itself cannot be set, nor what
//! steers a connection or a cache, nor what clouds and proxies take for their own.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderName, HeaderValue};
use linchpin::error::ResultExt as _;
use linchpin::{Kind, Result};
use linchpin_http::client::AddressPolicy;
use linchpin_security::secret::SecretString;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::patch::nullable;
use super::{Faults, Input};

/// Names and values. Once checked, the names are in lower case.
#[derive(Clone, Debug, Default)]
pub struct Headers(BTreeMap<String, SecretString>);

/// Headers to put in the place of all that are there.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct EndpointHeadersIn {
    /// At most 50, and 16 KiB in all. A value is at most 4096 bytes of visible ASCII, blanks and tabs.
    #[schema(value_type = BTreeMap<String, String>)]
    pub headers: Headers,
}

/// Headers to set and to remove; the others stay as they are.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointHeadersPatchIn {
    /// What to set; null removes.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    pub headers: HeaderChanges,
    /// Names to remove.
    #[serde(default, deserialize_with = "nullable")]
    pub delete_headers: Vec<String>,
}

/// What a patch sets and removes.
#[derive(Clone, Debug, Default)]
pub struct HeaderChanges {
    set: Headers,
    remove: Vec<String>,
}

/// Headers as they are shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EndpointHeadersOut {
    /// Those whose values may be shown.
    pub headers: BTreeMap<String, String>,
    /// The names of the others.
    pub sensitive: BTreeSet<String>,
}

/// The most headers.
const COUNT: usize = 50;
/// The most bytes of all names and values.
const BYTES: usize = 16 << 10;
/// The most bytes of a value.
const VALUE_BYTES: usize = 4096;

const FORBIDDEN: [&str; 19] = [
    "age",
    "cache-control",
    "clear-site-data",
    "connection",
    "cookie",
    "expect",
    "expires",
    "host",
    "http2-settings",
    "keep-alive",
    "pragma",
    "set-cookie",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "warning",
];
const FORBIDDEN_PREFIXES: [&str; 12] = [
    "content-", "proxy-", "svix-", "webhook-", "x-amz-", "x-amzn-", "x-azure-", "x-fd-", "x-gfe",
    "x-goog-", "x-google", "x-svix-",
];
/// Their values are kept, sent and never shown.
const SENSITIVE: [&str; 4] = ["authorization", "www-authenticate", "x-api-key", "x-auth-token"];

// ===== impl Headers =====

impl Headers {
    /// Reads what [`write`](Self::write) has written.
    ///
    /// # Errors
    ///
    /// [`Kind::Internal`], if it was not.
    pub(crate) fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).kind(Kind::Internal)
    }

    /// The JSON to seal; `None` if there are none.
    pub(crate) fn write(&self) -> Option<SecretString> {
        let exposed: BTreeMap<_, _> =
            self.0.iter().map(|(name, value)| (name, value.expose())).collect();
        let json = serde_json::to_string(&exposed).expect("a map of strings is JSON");
        (!self.0.is_empty()).then(|| json.into())
    }

    /// As they are sent. The values do not print.
    ///
    /// # Errors
    ///
    /// [`Kind::Internal`], if one cannot be.
    pub(crate) fn sendable(&self) -> Result<Vec<(HeaderName, HeaderValue)>> {
        let one = |(name, value): (&String, &SecretString)| {
            let mut value = HeaderValue::from_str(value.expose()).kind(Kind::Internal)?;
            value.set_sensitive(true);
            Ok((HeaderName::from_bytes(name.as_bytes()).kind(Kind::Internal)?, value))
        };
        self.0.iter().map(one).collect()
    }

    /// Takes over what a patch has.
    ///
    /// # Errors
    ///
    /// If they are then too many, or too much.
    pub(crate) fn patch(&mut self, patch: EndpointHeadersPatchIn) -> Result<(), Faults> {
        let HeaderChanges { set, remove } = patch.headers;
        for name in remove.iter().chain(&patch.delete_headers) {
            self.0.remove(&name.to_ascii_lowercase());
        }
        self.0.extend(set.0);
        let mut faults = Faults::of("body");
        self.measure(&mut faults);
        faults.into_result()
    }

    /// Judges them, and has the names in lower case.
    pub(super) fn check(&mut self, faults: &mut Faults) {
        let mut checked = BTreeMap::new();
        for (name, value) in std::mem::take(&mut self.0) {
            let lower = name.to_ascii_lowercase();
            let fault = name_fault(&lower).or_else(|| value_fault(value.expose()));
            let twice = checked.insert(lower, value).is_some();
            let fault =
                fault.or_else(|| twice.then(|| "is there twice, in another case".to_owned()));
            if let Some(fault) = fault {
                faults.add(["headers".to_owned(), name], fault);
            }
        }
        self.0 = checked;
        self.measure(faults);
    }

    fn measure(&self, faults: &mut Faults) {
        if self.0.len() > COUNT {
            faults.add(["headers"], format!("must be at most {COUNT}, are {}", self.0.len()));
        }
        let bytes: usize =
            self.0.iter().map(|(name, value)| name.len() + value.expose().len()).sum();
        if bytes > BYTES {
            faults.add(["headers"], format!("must be at most {BYTES} bytes in all, are {bytes}"));
        }
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let clear = BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(Self(clear.into_iter().map(|(name, value)| (name, value.into())).collect()))
    }
}

impl<'de> Deserialize<'de> for HeaderChanges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut changes = Self::default();
        for (name, value) in BTreeMap::<String, Option<String>>::deserialize(deserializer)? {
            match value {
                Some(value) => drop(changes.set.0.insert(name, value.into())),
                None => changes.remove.push(name),
            }
        }
        Ok(changes)
    }
}

impl Input for EndpointHeadersIn {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        self.headers.check(faults);
    }
}

impl Input for EndpointHeadersPatchIn {
    fn check(&mut self, _: &AddressPolicy, faults: &mut Faults) {
        self.headers.set.check(faults);
    }
}

impl From<Headers> for EndpointHeadersOut {
    fn from(Headers(headers): Headers) -> Self {
        let is_shown = |name: &str| !SENSITIVE.contains(&name);
        let (shown, sensitive): (BTreeMap<_, _>, BTreeMap<_, _>) =
            headers.into_iter().partition(|(name, _)| is_shown(name));
        let clear = |(name, value): (String, SecretString)| (name, value.expose().to_owned());
        Self {
            headers: shown.into_iter().map(clear).collect(),
            sensitive: sensitive.into_keys().collect(),
        }
    }
}

fn name_fault(lower: &str) -> Option<String> {
    if HeaderName::from_bytes(lower.as_bytes()).is_err() {
        return Some("is not the name of a header".to_owned());
    }
    if let Some(prefix) = FORBIDDEN_PREFIXES.iter().find(|prefix| lower.starts_with(**prefix)) {
        return Some(format!("must not begin with `{prefix}`"));
    }
    FORBIDDEN.contains(&lower).then(|| "cannot be set".to_owned())
}

fn value_fault(value: &str) -> Option<String> {
    if value.len() > VALUE_BYTES {
        return Some(format!("must be at most {VALUE_BYTES} bytes"));
    }
    let allowed = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
    (!value.bytes().all(allowed)).then(|| "must be visible ASCII, blanks and tabs".to_owned())
}
