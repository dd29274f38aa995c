//! Structs whose fields are columns: the names, the values and the places to read from are said once.
//!
//! ```
//! use linchpin_data::sqlite::record;
//!
//! #[derive(Debug, PartialEq)]
//! struct Note {
//!     title: String,
//!     labels: Vec<String>,
//! }
//! linchpin_data::record!(Note { title, labels: json });
//!
//! # let conn = rusqlite::Connection::open_in_memory()?;
//! # conn.execute_batch("CREATE TABLE note (id INTEGER PRIMARY KEY, title TEXT, labels TEXT) STRICT")?;
//! let note = Note { title: "milk".into(), labels: vec!["shop".into()] };
//! let columns = record::columns::<Note>();
//! let insert = format!("INSERT INTO note ({columns}) VALUES ({})", record::parameters::<Note>(1));
//! conn.execute(&insert, rusqlite::params_from_iter(record::values(&note)?))?;
//! let select = format!("SELECT {columns} FROM note");
//! assert_eq!(conn.query_row(&select, (), record::read::<Note>)?, note);
//! # Ok::<(), rusqlite::Error>(())
//! ```

use rusqlite::types::{FromSql, ToSql, ToSqlOutput, Type, ValueRef};
use rusqlite::{Error, Result, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A struct of which every field is a column, or the columns of a part. Implemented by [`record!`](crate::record).
///
/// A record does not know its table, its keys and who may see it: that is the statement's. It is for a struct that is
/// stored and loaded whole; a query that needs three columns reads them by itself.
pub trait Record: Sized {
    /// Adds the names of the columns, in the order of the fields.
    fn columns(to: &mut Vec<&'static str>);

    /// Adds the values, in the same order.
    ///
    /// # Errors
    ///
    /// If a value cannot be stored: JSON with keys that are no strings, a number beyond SQLite's.
    fn values<'a>(&'a self, to: &mut Vec<ToSqlOutput<'a>>) -> Result<()>;

    /// Reads a struct from the columns that begin at `at`, and moves `at` behind them.
    ///
    /// # Errors
    ///
    /// If a column holds something else.
    fn read(row: &Row<'_>, at: &mut usize) -> Result<Self>;
}

/// The columns of `T` for the text of a statement: `name, description, created_at`.
#[must_use]
pub fn columns<T: Record>() -> String {
    let mut columns = Vec::new();
    T::columns(&mut columns);
    columns.join(", ")
}

/// A parameter for each column of `T`, the first being number `first`: `?2, ?3, ?4`.
#[must_use]
pub fn parameters<T: Record>(first: usize) -> String {
    let mut columns = Vec::new();
    T::columns(&mut columns);
    let numbers: Vec<String> = (first..first + columns.len()).map(|at| format!("?{at}")).collect();
    numbers.join(", ")
}

/// The values of `record`, to be bound to [`parameters`].
///
/// # Errors
///
/// As [`Record::values`].
pub fn values<T: Record>(record: &T) -> Result<Vec<ToSqlOutput<'_>>> {
    let mut values = Vec::new();
    record.values(&mut values)?;
    Ok(values)
}

/// Reads a `T` from a row that begins with its [`columns`]; what `query_map` and `query_row` ask for.
///
/// # Errors
///
/// As [`Record::read`].
pub fn read<T: Record>(row: &Row<'_>) -> Result<T> {
    T::read(row, &mut 0)
}

/// A column: what the type of the field is in SQLite.
#[doc(hidden)]
pub mod column {
    use super::{FromSql, Result, Row, ToSql, ToSqlOutput};

    pub fn value<'a>(field: &'a impl ToSql, to: &mut Vec<ToSqlOutput<'a>>) -> Result<()> {
        to.push(field.to_sql()?);
        Ok(())
    }

    pub fn read<T: FromSql>(row: &Row<'_>, at: &mut usize) -> Result<T> {
        let value = row.get(*at)?;
        *at += 1;
        Ok(value)
    }
}

/// A column of JSON text.
#[doc(hidden)]
pub mod json {
    use super::{DeserializeOwned, Error, Result, Row, Serialize, ToSqlOutput, Type, ValueRef};

    pub fn value<'a>(field: &'a impl Serialize, to: &mut Vec<ToSqlOutput<'a>>) -> Result<()> {
        let text = serde_json::to_string(field)
            .map_err(|fault| Error::ToSqlConversionFailure(fault.into()))?;
        // An `Option` that is `None`.
        to.push(if text == "null" { ToSqlOutput::Borrowed(ValueRef::Null) } else { text.into() });
        Ok(())
    }

    pub fn read<T: DeserializeOwned>(row: &Row<'_>, at: &mut usize) -> Result<T> {
        let index = *at;
        *at += 1;
        // A NULL reads as JSON's null, which only an `Option` accepts.
        let text = row.get_ref(index)?.as_str_or_null()?.unwrap_or("null");
        serde_json::from_str(text)
            .map_err(|fault| Error::FromSqlConversionFailure(index, Type::Text, fault.into()))
    }
}

/// The columns of a part.
#[doc(hidden)]
pub mod flatten {
    use super::{Record, Result, Row, ToSqlOutput};

    /// The part is found by its place in the whole, since a macro does not know the types of fields.
    pub fn columns<R, P: Record>(_: impl FnOnce(&R) -> &P, to: &mut Vec<&'static str>) {
        P::columns(to);
    }

    pub fn value<'a>(part: &'a impl Record, to: &mut Vec<ToSqlOutput<'a>>) -> Result<()> {
        part.values(to)
    }

    pub fn read<P: Record>(row: &Row<'_>, at: &mut usize) -> Result<P> {
        P::read(row, at)
    }
}

#[doc(hidden)]
pub mod types {
    pub use rusqlite::types::ToSqlOutput;
    pub use rusqlite::{Result, Row};
}

/// Makes a struct a [`Record`](crate::sqlite::record::Record), with a tag where a field is more than a column.
///
/// A field is stored as what its type is in SQLite (`ToSql`, `FromSql`). `json` stores it as JSON text, an `Option`
/// that is `None` as `NULL`. `flatten` stores the columns of a part that is a record itself. A field that is left out
/// is an error of the compiler.
///
/// Go's `db:".."` tags and embedded structs, without reflection.
///
/// ```
/// use linchpin_data::sqlite::record;
///
/// struct Times {
///     created_at: i64,
///     updated_at: i64,
/// }
/// linchpin_data::record!(Times { created_at, updated_at });
///
/// struct Note {
///     title: String,
///     labels: Vec<String>,
///     times: Times,
/// }
/// linchpin_data::record!(Note { title, labels: json, times: flatten });
///
/// assert_eq!(record::columns::<Note>(), "title, labels, created_at, updated_at");
/// assert_eq!(record::parameters::<Note>(2), "?2, ?3, ?4, ?5");
/// ```
#[macro_export]
macro_rules! record {
    (@columns $to:ident $record:ident $field:ident flatten) => {
        $crate::sqlite::record::flatten::columns(|record: &$record| &record.$field, $to)
    };
    (@columns $to:ident $record:ident $field:ident $($how:ident)?) => {
        $to.push(stringify!($field))
    };
    (@value $field:expr, $to:ident) => {
        $crate::sqlite::record::column::value(&$field, $to)?
    };
    (@value $field:expr, $to:ident $how:ident) => {
        $crate::sqlite::record::$how::value(&$field, $to)?
    };
    (@read $row:ident $at:ident) => {
        $crate::sqlite::record::column::read($row, $at)?
    };
    (@read $row:ident $at:ident $how:ident) => {
        $crate::sqlite::record::$how::read($row, $at)?
    };
    ($record:ident { $($field:ident $(: $how:ident)?),+ $(,)? }) => {
        impl $crate::sqlite::record::Record for $record {
            fn columns(to: &mut ::std::vec::Vec<&'static str>) {
                $($crate::record!(@columns to $record $field $($how)?);)+
            }

            fn values<'a>(
                &'a self,
                to: &mut ::std::vec::Vec<$crate::sqlite::record::types::ToSqlOutput<'a>>,
            ) -> $crate::sqlite::record::types::Result<()> {
                $($crate::record!(@value self.$field, to $($how)?);)+
                Ok(())
            }

            fn read(
                row: &$crate::sqlite::record::types::Row<'_>,
                at: &mut usize,
            ) -> $crate::sqlite::record::types::Result<Self> {
                // The fields are read in the order in which they stand here.
                Ok(Self { $($field: $crate::record!(@read row at $($how)?)),+ })
            }
        }
    };
}
