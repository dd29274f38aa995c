//! Names and values that travel with a request.

use std::collections::BTreeMap;
use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Names and values for everybody downstream, such as a tenant or an experiment. Cheap to clone.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Baggage(Arc<BTreeMap<String, String>>);

/// The most entries, and the most bytes of the header: the standard's own bounds.
const MOST: usize = 64;
const LONGEST: usize = 8_192;
/// What a value must not show as it is.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%').add(b',').add(b';').add(b'\\');

impl Baggage {
    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// All of it, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The header of those `keys` that there are; entries beyond the standard's bounds are left out.
    pub(super) fn header(&self, keys: &[&'static str]) -> Option<String> {
        let mut header = String::new();
        for (key, value) in self.iter().filter(|(key, _)| keys.contains(key)).take(MOST) {
            let comma = if header.is_empty() { "" } else { "," };
            let entry = format!("{comma}{key}={}", utf8_percent_encode(value, ESCAPED));
            if header.len() + entry.len() <= LONGEST {
                header.push_str(&entry);
            }
        }
        (!header.is_empty()).then_some(header)
    }

    /// Those `keys` that are in the header; properties of entries are dropped.
    pub(super) fn read(header: &str, keys: &[&'static str]) -> Option<Self> {
        if keys.is_empty() || header.len() > LONGEST {
            return None;
        }
        let entry = |entry: &str| {
            let (key, value) = entry.split(';').next()?.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            Some((key.trim().to_owned(), value.into_owned()))
        };
        let found: BTreeMap<String, String> = header
            .split(',')
            .take(MOST)
            .filter_map(entry)
            .filter(|(key, _)| keys.contains(&key.as_str()))
            .collect();
        (!found.is_empty()).then(|| Self(Arc::new(found)))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Baggage {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value.into()));
        Self(Arc::new(entries.collect()))
    }
}
