//! What can be set, and where a value came from.

use std::fmt;
use std::path::PathBuf;

/// One setting, declared once.
///
/// The key is words in lower case with hyphens between, as in `retry-schedule`; it is the flag's name and the key
/// in the file as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    key: &'static str,
    help: &'static str,
    default: Option<&'static str>,
    secret: bool,
}

/// Where a value came from; `Display` names the very flag, variable or line. A later variant wins over an earlier
/// one.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// The declaration.
    Default,
    /// A line of the file.
    File {
        /// The file, as it was named.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A command-line flag, with its hyphens.
    Flag(String),
}

// ===== impl Setting =====

impl Setting {
    /// A setting that shows its values and has no default.
    #[must_use]
    pub const fn new(key: &'static str, help: &'static str) -> Self {
        Self { key, help, default: None, secret: false }
    }

    /// The value in force when nobody sets one, as text; it is parsed like any other.
    #[must_use]
    pub const fn default(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self
    }

    /// Never show its values: not in faults, not in [`table`](super::table).
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// The key in the file and, after two hyphens, the flag.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        self.key
    }

    /// One line for people.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        self.help
    }

    /// The default as text.
    #[must_use]
    pub const fn default_text(&self) -> Option<&'static str> {
        self.default
    }

    /// Whether its values are hidden.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        self.secret
    }

    /// The environment variable: `prefix`, `_`, and the key in upper case with `_` for `-`.
    #[must_use]
    pub fn variable(&self, prefix: &str) -> String {
        format!("{prefix}_{}", self.key.to_ascii_uppercase().replace('-', "_"))
    }
}

// ===== impl Source =====

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}
