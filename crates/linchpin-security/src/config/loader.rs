//! Putting the layers on top of each other.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use toml::Spanned;

use super::fault::{Detail, Fault, Faults};
use super::nearest::nearest;
use super::{Effective, FromSetting, Setting, Source, Value};
use crate::secret::REDACTED;

/// Collects values for declared settings, and the faults found on the way.
///
/// Layers can be added in any order, and between two [`take`](Self::take)s: take the path of the file from flags
/// and environment first, then add the file. Which value wins depends on its [`Source`] alone.
pub struct Loader {
    prefix: &'static str,
    settings: &'static [Setting],
    /// By key, the value in force; what it has won over is forgotten.
    values: BTreeMap<&'static str, (Source, Value)>,
    faults: Vec<Fault>,
}

// ===== impl Loader =====

impl Loader {
    /// A loader for `settings`, whose variables begin with `prefix` and `_`. Their defaults are in force.
    #[must_use]
    pub fn new(prefix: &'static str, settings: &'static [Setting]) -> Self {
        let mut loader = Self { prefix, settings, values: BTreeMap::new(), faults: Vec::new() };
        for setting in settings {
            if let Some(text) = setting.default_text() {
                loader.set(setting, Source::Default, Value::Text(text.to_owned()));
            }
        }
        loader
    }

    /// Adds flags that were parsed already: the key without its hyphens, and the value.
    pub fn flags<K: AsRef<str>, V: Into<String>>(
        &mut self,
        flags: impl IntoIterator<Item = (K, V)>,
    ) {
        for (key, text) in flags {
            let (key, text) = (key.as_ref(), text.into());
            let source = Source::Flag(format!("--{key}"));
            match self.find(key) {
                Some(setting) => self.set(setting, source, Value::Text(text)),
                None => self.unknown(key, source, |setting| format!("--{}", setting.key())),
            }
        }
    }

    /// Adds a command line without the program's name: `--key value`, `--key=value`, and `--key` alone for `true`.
    pub fn arguments<A: Into<String>>(&mut self, arguments: impl IntoIterator<Item = A>) {
        let mut arguments = arguments.into_iter().map(Into::into).peekable();
        while let Some(argument) = arguments.next() {
            let Some(flag) = argument.strip_prefix("--") else {
                // Not quoted: it may be a secret whose flag was forgotten.
                let source = Source::Flag("argument".to_owned());
                self.fault("?", source, None, "it does not begin with `--`", None);
                continue;
            };
            if let Some((key, text)) = flag.split_once('=') {
                self.flags([(key, text)]);
            } else {
                let text = arguments.next_if(|next| !next.starts_with("--"));
                self.flags([(flag, text.unwrap_or_else(|| "true".to_owned()))]);
            }
        }
    }

    /// Adds the environment. Variables without the prefix are not looked at; an empty one counts as not set.
    pub fn environment<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        &mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) {
        for (name, text) in variables {
            let Some(name) = name.as_ref().to_str() else { continue };
            let ours = name.strip_prefix(self.prefix).is_some_and(|rest| rest.starts_with('_'));
            if !ours || text.as_ref().is_empty() {
                continue;
            }
            let (prefix, source) = (self.prefix, Source::Variable(name.to_owned()));
            let setting = self.settings.iter().find(|setting| setting.variable(prefix) == name);
            match (setting, text.as_ref().to_str()) {
                (Some(setting), Some(text)) => {
                    self.set(setting, source, Value::Text(text.to_owned()));
                }
                (Some(setting), None) => {
                    self.fault(setting.key(), source, None, "the value is not UTF-8", None);
                }
                (None, _) => self.unknown(name, source, |setting| setting.variable(prefix)),
            }
        }
    }

    /// Adds the TOML `text` of the file at `path`, which is only named.
    pub fn file(&mut self, path: impl AsRef<Path>, text: &str) {
        let source = |offset: usize| Source::File {
            path: path.as_ref().to_owned(),
            line: text.get(..offset).unwrap_or(text).matches('\n').count() + 1,
        };
        let entries: BTreeMap<String, Spanned<toml::Value>> = match toml::from_str(text) {
            Ok(entries) => entries,
            Err(error) => {
                // Its message alone: the excerpt that its `Display` shows may hold a secret.
                let offset = error.span().map_or(0, |span| span.start);
                self.fault("?", source(offset), None, error.message(), None);
                return;
            }
        };
        for (key, entry) in entries {
            let source = source(entry.span().start);
            match (self.find(&key), plain(entry.into_inner())) {
                (Some(setting), Some(value)) => self.set(setting, source, value),
                (Some(_), None) => {
                    self.fault(&key, source, None, "the value is a table", None);
                }
                (None, _) => self.unknown(&key, source, |setting| setting.key().to_owned()),
            }
        }
    }

    /// Adds the value of one setting from a file of its own, which is how service managers and containers hand secrets
    /// over: all of `text`, but for blanks and line breaks around it. It stands where a line of the TOML file does, and
    /// is a fault if the setting is given anywhere else, too, or is not declared.
    pub fn value_file(&mut self, key: &str, path: impl AsRef<Path>, text: &str) {
        let source = Source::File { path: path.as_ref().to_owned(), line: 1 };
        let Some(setting) = self.find(key) else {
            return self.unknown(key, source, |setting| setting.key().to_owned());
        };
        match self.values.get(setting.key()) {
            Some((held, _)) if *held != Source::Default => {
                let problem = format!("it is given by {held}, too");
                self.fault(key, source, None, &problem, None);
            }
            _ => self.set(setting, source, Value::Text(text.to_owned())),
        }
    }

    /// The value in force for `key`. A fault is also kept for [`finish`](Self::finish).
    ///
    /// # Errors
    ///
    /// If it does not parse as `T`, or is missing where `T` needs one, or no such setting is declared.
    pub fn take<T: FromSetting>(&mut self, key: &str) -> Result<T, Fault> {
        let parsed = match (self.values.get(key), T::absent()) {
            (Some((_, value)), _) => T::from_value(value),
            (None, Some(absent)) => Ok(absent),
            (None, None) if self.find(key).is_none() => {
                Err("no such setting is declared".to_owned())
            }
            (None, None) => Err("it is required and not set".to_owned()),
        };
        parsed.map_err(|problem| self.reject(key, problem, &T::expected()))
    }

    /// Records a fault that only the caller can see, such as a secret that is too weak or two settings that
    /// contradict each other. `expected` says what would be right, to follow that word.
    pub fn reject(&mut self, key: &str, problem: impl Into<String>, expected: &str) -> Fault {
        let secret = self.find(key).is_none_or(Setting::is_secret);
        let (source, value) = match self.values.get(key) {
            Some((source, value)) => (source.clone(), (!secret).then(|| value.shown())),
            None => (Source::Default, None),
        };
        let mut remedy = format!("expected {expected}");
        if value.is_none()
            && source == Source::Default
            && let Some(setting) = self.find(key)
        {
            let variable = setting.variable(self.prefix);
            remedy = format!("{remedy} in --{key}, {variable} or `{key}` of the file");
        }
        self.fault(key, source, value, &problem.into(), Some(remedy))
    }

    /// All faults so far: unknown keys and what [`take`](Self::take) and [`reject`](Self::reject) found.
    ///
    /// # Errors
    ///
    /// If there is any.
    pub fn finish(&self) -> Result<(), Faults> {
        Faults::new(self.faults.clone()).map_or(Ok(()), Err)
    }

    /// Every declared setting as it is in force, in the order of declaration.
    #[must_use]
    pub fn effective(&self) -> Vec<Effective> {
        let row = |setting: &Setting| {
            let key = setting.key();
            match self.values.get(key) {
                None => Effective { key, value: String::new(), source: None },
                Some((source, value)) => {
                    let value =
                        if setting.is_secret() { REDACTED.to_owned() } else { value.shown() };
                    Effective { key, value, source: Some(source.clone()) }
                }
            }
        };
        self.settings.iter().map(row).collect()
    }

    fn find(&self, key: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| setting.key() == key)
    }

    fn set(&mut self, setting: &'static Setting, source: Source, value: Value) {
        match self.values.get(setting.key()) {
            Some((held, _)) if *held == source => {
                self.fault(setting.key(), source, None, "it is given twice", None);
            }
            Some((held, _)) if *held > source => {}
            _ => {
                self.values.insert(setting.key(), (source, value));
            }
        }
    }

    fn fault(
        &mut self,
        key: &str,
        source: Source,
        value: Option<String>,
        problem: &str,
        remedy: Option<String>,
    ) -> Fault {
        let (key, problem) = (key.to_owned(), problem.to_owned());
        let fault = Fault::new(Detail { key, source, value, problem, remedy });
        self.faults.push(fault.clone());
        fault
    }

    /// `spelled` writes a setting the way the source does.
    fn unknown(&mut self, key: &str, source: Source, spelled: impl Fn(&Setting) -> String) {
        let names: Vec<String> = self.settings.iter().map(&spelled).collect();
        let typed = match &source {
            Source::Flag(flag) => flag,
            _ => key,
        };
        let remedy = nearest(typed, names.iter().map(String::as_str))
            .map(|name| format!("did you mean `{name}`?"));
        self.fault(key, source, None, "there is no such setting", remedy);
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.effective()).finish()
    }
}

/// Scalars as text, arrays of scalars as lists of text; `None` for what has tables in it.
fn plain(value: toml::Value) -> Option<Value> {
    let scalar = |value| match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Array(_) | toml::Value::Table(_) => None,
        other => Some(other.to_string()),
    };
    match value {
        toml::Value::Array(items) => {
            items.into_iter().map(scalar).collect::<Option<_>>().map(Value::List)
        }
        other => scalar(other).map(Value::Text),
    }
}
