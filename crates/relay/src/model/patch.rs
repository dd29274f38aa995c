//! Absent, null, or a value: what a PATCH must tell apart.

use serde::{Deserialize, Deserializer};

/// A field that is there, null or not. With `#[serde(default)]` an absent one stays `None`.
///
/// For `Option<Option<T>>` null clears, as `Some(None)`. For `Option<T>` it is an error, since a `T` is asked for.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A map that counts null as empty.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Overwrites `target` if there is a value.
pub(super) fn set<T: Clone>(target: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        target.clone_from(value);
    }
}
