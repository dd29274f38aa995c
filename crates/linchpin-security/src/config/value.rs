//! Turning what was written into what is meant.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::secret::{REDACTED, SecretString};

/// What was written for a setting, before it means anything.
///
/// Flags and variables give text. A TOML string, number or boolean is text, too; a TOML array is a list. `Debug`
/// shows neither.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A TOML array.
    List(Vec<String>),
    /// Anything else.
    Text(String),
}

/// A type that a setting can have.
///
/// Reasons must not quote the value: it may be a secret, and the fault quotes it where it may.
pub trait FromSetting: Sized {
    /// What would be right, to follow the word "expected": "a whole number from 0 to 65535".
    fn expected() -> Cow<'static, str>;

    /// The value that `text` stands for.
    ///
    /// # Errors
    ///
    /// What is wrong with it, to follow the words "the value": "has no unit".
    fn from_text(text: &str) -> Result<Self, Cow<'static, str>>;

    /// The value that was written, by default a single text.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as a sentence without its full stop: "the value has no unit".
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::List(_) => Err("the value is a list".to_owned()),
            Value::Text(text) => {
                Self::from_text(text.trim()).map_err(|why| format!("the value {why}"))
            }
        }
    }

    /// What it is when nobody set it and there is no default; `None` if that is a fault.
    fn absent() -> Option<Self> {
        None
    }
}

/// An enum whose values go by a word; it is a [`FromSetting`] by that. Upper and lower case are the same.
pub trait Choice: Copy + 'static {
    /// Every word and what it stands for.
    const CHOICES: &'static [(&'static str, Self)];
}

// ===== impl Value =====

impl Value {
    /// As it would be written in a variable.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::List(items) => items.join(", "),
            Self::Text(text) => text.clone(),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

// ===== impl FromSetting =====

impl<T: Choice> FromSetting for T {
    fn expected() -> Cow<'static, str> {
        let words: Vec<_> = T::CHOICES.iter().map(|(word, _)| format!("`{word}`")).collect();
        format!("one of {}", words.join(", ")).into()
    }

    fn from_text(text: &str) -> Result<Self, Cow<'static, str>> {
        T::CHOICES
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text))
            .map(|(_, choice)| *choice)
            .ok_or("is none of the choices".into())
    }
}

impl<T: FromSetting> FromSetting for Option<T> {
    fn expected() -> Cow<'static, str> {
        T::expected()
    }

    fn from_text(text: &str) -> Result<Self, Cow<'static, str>> {
        T::from_text(text).map(Some)
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        T::from_value(value).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// Commas in text, an array in the file; a text of blanks is the empty list.
impl<T: FromSetting> FromSetting for Vec<T> {
    fn expected() -> Cow<'static, str> {
        format!("a comma-separated list, each {}", T::expected()).into()
    }

    fn from_text(text: &str) -> Result<Self, Cow<'static, str>> {
        items(text.split(',').filter(|_| !text.trim().is_empty())).map_err(Cow::Owned)
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::List(list) => items(list.iter().map(String::as_str)),
            Value::Text(text) => Self::from_text(text).map_err(Cow::into_owned),
        }
    }
}

fn items<'a, T: FromSetting>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<T>, String> {
    let item = |(index, text): (usize, &str)| {
        T::from_text(text.trim()).map_err(|why| format!("item {} {why}", index + 1))
    };
    texts.enumerate().map(item).collect()
}

impl FromSetting for String {
    fn expected() -> Cow<'static, str> {
        "a text".into()
    }

    fn from_text(text: &str) -> Result<Self, Cow<'static, str>> {
        Ok(text.to_owned())
    }
}

impl FromSetting for SecretString {
    fn expected() -> Cow<'static, str> {
        "a secret text".into()
    }

    fn from_text(text: &str) -> Result<Self, Cow<'static, str>> {
        if text.is_empty() { Err("is empty".into()) } else { Ok(text.into()) }
    }
}

impl FromSetting for PathBuf {
    fn expected() -> Cow<'static, str> {
        "a path".into()
    }

    fn from_text(text: &str) -> Result<Self, Cow<'static, str>> {
        if text.is_empty() { Err("is empty".into()) } else { Ok(text.into()) }
    }
}

impl FromSetting for bool {
    fn expected() -> Cow<'static, str> {
        "`true` or `false`".into()
    }

    fn from_text(text: &str) -> Result<Self, Cow<'static, str>> {
        text.parse().map_err(|_| "is neither".into())
    }
}

impl FromSetting for SocketAddr {
    fn expected() -> Cow<'static, str> {
        "an IP address and a port, such as 127.0.0.1:8071 or [::1]:8071".into()
    }

    fn from_text(text: &str) -> Result<Self, Cow<'static, str>> {
        text.parse().map_err(|_| "is not a socket address".into())
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl FromSetting for $number {
            fn expected() -> Cow<'static, str> {
                format!("a whole number from {} to {}", Self::MIN, Self::MAX).into()
            }

            fn from_text(text: &str) -> Result<Self, Cow<'static, str>> {
                text.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
                    std::num::IntErrorKind::PosOverflow => "is too large".into(),
                    _ => "is not such a number".into(),
                })
            }
        }
    )*};
}

whole_numbers!(u16, u32, u64, usize);
