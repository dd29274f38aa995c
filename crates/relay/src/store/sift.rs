//! Pages of lists that are filtered.
//!
//! A filter that few rows pass would have a page read the whole list for them, on one of few readers. So there is only so
//! much that one page looks at. Then it ends, with what it has found, and says where to go on: there may be no item with
//! that id in it, or none at all.

use linchpin::Result;
use linchpin_data::sqlite::Sql as _;
use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row};

use super::PAGE_BYTES;
use super::page::{Key, Walk};
use crate::model::page::Page;

/// What a page may still look at.
#[derive(Debug)]
pub(super) struct Looks(usize);

/// How many rows one page looks at.
const LOOKS: usize = 20_000;

impl Looks {
    /// So many rows more were looked at, beside the list's own.
    pub(super) fn spend(&mut self, rows: usize) {
        self.0 = self.0.saturating_sub(rows);
    }
}

/// Reads a page of a list of which only some rows are items.
///
/// The first column of `sql` is the key, in whose order and direction it lists. `look` says what a row is, and how many
/// bytes of memory that takes, or that it is none of those that are asked for.
pub(super) fn sift<K: Key + FromSql, T>(
    conn: &Connection,
    walk: &Walk<K>,
    sql: &str,
    params: impl Params,
    mut look: impl FnMut(&Row<'_>, &mut Looks) -> Result<Option<(T, usize)>>,
) -> Result<Page<T>> {
    let mut query = conn.prepare_cached(sql).sql("read a page")?;
    let mut rows = query.query(params).sql("read a page")?;
    let (mut found, mut left, mut looks) = (Vec::new(), Some(PAGE_BYTES), Looks(LOOKS));
    let (mut seen, mut is_last): (Option<(K, K)>, _) = (None, true);
    while let Some(row) = rows.next().sql("read a page")? {
        if looks.0 == 0 {
            let page = walk.page(found, false, |(key, _): &(K, T)| key.clone());
            return Ok(walk.cut(page.map(|(_, item)| item), seen));
        }
        looks.spend(1);
        let key: K = row.get(0).sql("read a key")?;
        if let Some((item, weight)) = look(row, &mut looks)? {
            if found.len() == walk.limit() || left.is_none() {
                is_last = false;
                break;
            }
            left = left.and_then(|left| left.checked_sub(weight));
            found.push((key.clone(), item));
        }
        let first = seen.map_or_else(|| key.clone(), |(first, _)| first);
        seen = Some((first, key));
    }
    Ok(walk.page(found, is_last, |(key, _)| key.clone()).map(|(_, item)| item))
}
