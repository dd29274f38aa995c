//! What is in force, for `check-config`.

use std::fmt;

use super::Source;

/// One setting as it is in force.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Effective {
    /// The setting.
    pub key: &'static str,
    /// What was written, [`REDACTED`](crate::secret::REDACTED) if it is a secret, empty if it is not set.
    pub value: String,
    /// Where it came from; `None` if it is not set and has no default.
    pub source: Option<Source>,
}

/// `rows` as a table of three columns: setting, value, origin.
pub fn table(rows: &[Effective]) -> impl fmt::Display + '_ {
    Table(rows)
}

struct Table<'a>(&'a [Effective]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |heading: &str, cell: fn(&Effective) -> &str| {
            let cells = self.0.iter().map(|row| cell(row).chars().count());
            cells.max().unwrap_or(0).max(heading.len())
        };
        let keys = width("setting", |row| row.key);
        let values = width("value", |row| &row.value);
        write!(f, "{:keys$}  {:values$}  from", "setting", "value")?;
        for Effective { key, value, source } in self.0 {
            write!(f, "\n{key:keys$}  {value:values$}  ")?;
            match source {
                Some(source) => write!(f, "{source}")?,
                None => f.write_str("not set")?,
            }
        }
        Ok(())
    }
}
