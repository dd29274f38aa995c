//! Whether the keys open what is sealed.

use linchpin::Result;
use linchpin_data::sqlite::Sql as _;
use linchpin_security::seal::Keyring;
use rusqlite::{Connection, Row};

use super::report::Report;
use crate::store::keys;
use crate::vault::{Field, Owner, Vault};

const TEXTS: &str = "SELECT org, app, id, secret, old_secrets, headers FROM endpoint";
/// In the order in which the statement has them.
const FIELDS: [Field; 3] = [Field::Secret, Field::OldSecrets, Field::Headers];

/// What has become of texts that should be sealed.
#[derive(Default)]
struct Texts {
    opened: u64,
    in_clear: u64,
    /// A key that is there does not open them.
    unreadable: u64,
}

pub(super) fn check(report: &mut Report, conn: &Connection, vault: &Vault) -> Result<()> {
    let proofs = keys::proofs(conn)?;
    let missing: Vec<_> =
        keys::in_use(conn)?.into_keys().filter(|id| !vault.ids().contains(id)).collect();
    let is_another = |(id, proof): &&(String, String)| {
        vault.ids().contains(id) && vault.proves(id, proof).is_err()
    };
    let others: Vec<_> = proofs.iter().filter(is_another).map(|(id, _)| id.as_str()).collect();
    if !missing.is_empty() {
        report.fail(
            "keys",
            format!(
                "secrets are sealed with {}, which `encryption-keys` has not",
                missing.join(", ")
            ),
            "add the key there; without it Relay does not start, and these secrets are lost",
        );
    }
    if !others.is_empty() {
        report.fail(
            "keys",
            format!("{} of `encryption-keys` is another key than it was", others.join(", ")),
            "put the old key back; a new one needs an id of its own, in front: `relay keys new`",
        );
    }
    let found = texts(conn, vault)?;
    if missing.is_empty() && others.is_empty() {
        report.ok("keys", format!("{} open {} texts", vault.ids().join(", "), found.opened));
    }
    clear(report, found.in_clear, proofs.is_empty());
    if found.unreadable > 0 && others.is_empty() {
        report.fail(
            "secrets",
            format!("{} secrets do not open: they were sealed for another endpoint, or are damaged", found.unreadable),
            "nothing is sent to these endpoints until they have new ones: `relay endpoint rotate`, `set-headers`",
        );
    }
    Ok(())
}

fn clear(report: &mut Report, in_clear: u64, is_older: bool) {
    let found = format!("{in_clear} secrets are in clear");
    match in_clear {
        0 => {}
        _ if is_older => {
            report.warn("secrets", found, "an older Relay has left them so; the next start seals them");
        }
        _ => report.fail(
            "secrets",
            found,
            "none of Relay's is: somebody has written to the file. Rotate the secrets of these endpoints: `relay endpoint rotate`",
        ),
    }
}

fn texts(conn: &Connection, vault: &Vault) -> Result<Texts> {
    let mut found = Texts::default();
    let mut query = conn.prepare(TEXTS).sql("read sealed texts")?;
    let mut rows = query.query(()).sql("read sealed texts")?;
    while let Some(row) = rows.next().sql("read sealed texts")? {
        look(row, vault, &mut found).sql("read a sealed text")?;
    }
    Ok(found)
}

fn look(row: &Row<'_>, vault: &Vault, found: &mut Texts) -> rusqlite::Result<()> {
    let owner: Owner = (row.get(0)?, row.get(1)?, row.get(2)?);
    for (at, field) in FIELDS.into_iter().enumerate() {
        let Some(text) = row.get::<_, Option<String>>(3 + at)? else { continue };
        match Keyring::id_of(&text) {
            None => found.in_clear += 1,
            // Told of by its id.
            Some(id) if !vault.ids().iter().any(|known| known == id) => {}
            Some(_) => match vault.drawer(owner).open(field, &text) {
                Ok(_) => found.opened += 1,
                Err(_) => found.unreadable += 1,
            },
        }
    }
    Ok(())
}
