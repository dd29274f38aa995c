//! What is wrong with a request, item by item.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

/// The type of a broken constraint.
pub const VALUE: &str = "value_error";
/// The type of a body that is no JSON, or not the JSON that was asked for.
pub const DECODE: &str = "value_error.jsondecode";

/// One thing that is wrong, and where.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
pub struct Fault {
    /// The way to the value: `body`, `query`, `path` or `header`, then JSON names. List items are `[0]`, `[1]`, ..;
    /// `__all__` stands for the whole of a string. Empty if it is at no one place.
    #[schema(value_type = Vec<String>)]
    pub loc: Vec<Cow<'static, str>>,
    /// For people.
    pub msg: String,
    /// For programs.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: &'static str,
}

/// All that is wrong with one part of a request. It is an error once it is not empty.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Faults {
    prefix: Vec<Cow<'static, str>>,
    items: Vec<Fault>,
}

// ===== impl Faults =====

impl Faults {
    /// Nothing wrong so far in this part: `body`, `query`, `path` or `header`.
    #[must_use]
    pub fn of(part: &'static str) -> Self {
        Self { prefix: vec![part.into()], items: Vec::new() }
    }

    /// A single fault.
    #[must_use]
    pub fn one(
        part: &'static str,
        loc: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        kind: &'static str,
        msg: impl Into<String>,
    ) -> Self {
        let mut faults = Self::of(part);
        faults.add_as(loc, kind, msg);
        faults
    }

    /// Notes a broken constraint.
    pub fn add(
        &mut self,
        loc: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        msg: impl Into<String>,
    ) {
        self.add_as(loc, VALUE, msg);
    }

    /// Notes a fault of another type.
    pub fn add_as(
        &mut self,
        loc: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
        kind: &'static str,
        msg: impl Into<String>,
    ) {
        let loc = self.prefix.iter().cloned().chain(loc.into_iter().map(Into::into)).collect();
        self.items.push(Fault { loc, msg: msg.into(), kind });
    }

    /// Runs `check` with `name` in front of every place that it notes.
    pub fn within<R>(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        check: impl FnOnce(&mut Self) -> R,
    ) -> R {
        self.prefix.push(name.into());
        let checked = check(self);
        self.prefix.pop();
        checked
    }

    /// The faults in the order in which they were found.
    #[must_use]
    pub fn items(&self) -> &[Fault] {
        &self.items
    }

    /// `Ok` if nothing is wrong.
    ///
    /// # Errors
    ///
    /// Itself, if something is.
    pub fn into_result(self) -> Result<(), Self> {
        if self.items.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.items.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", fault.loc.join("."), fault.msg)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
