//! The headers of endpoints: a column of `endpoint` that is sealed.

use linchpin::Result;
use linchpin::context::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};
use linchpin_security::seal::Sealed;
use rusqlite::{Connection, OptionalExtension as _};

use super::endpoint::owner;
use super::{Reference, Refusal, Scope, Store};
use crate::ids::EndpointTag;
use crate::model::headers::{EndpointHeadersPatchIn, Headers};
use crate::vault::{Field, Owner, Vault};

const HEADERS: &str = "
    SELECT headers FROM endpoint WHERE org = ?1 AND app = ?2 AND id = ?3 AND deleted = 0";
const WRITE: &str = "
    UPDATE endpoint SET headers = ?4, updated_at = ?5
    WHERE org = ?1 AND app = ?2 AND id = ?3 AND deleted = 0";

impl Store {
    /// The headers that deliveries to the endpoint have besides our own.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Kind::Internal`](linchpin::Kind::Internal) if they do not open, those of the database.
    pub async fn endpoint_headers(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
    ) -> Result<Headers> {
        let vault = self.vault().clone();
        let read = move |conn: &Connection| load(conn, &vault, owner(conn, &scope, &endpoint)?);
        self.reader.query(ctx, read).await
    }

    /// Replaces all headers of the endpoint.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], those of the database.
    pub async fn put_headers(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
        headers: Headers,
    ) -> Result<()> {
        let replace = move |_: &Connection, _: &Vault, _: Owner| Ok(headers.clone());
        self.change_headers(ctx, (scope, endpoint), replace).await
    }

    /// Sets and removes headers of the endpoint.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::Invalid`] if they are then too many, [`Kind::Internal`](linchpin::Kind::Internal) if
    /// the present ones do not open, those of the database.
    pub async fn patch_headers(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
        patch: EndpointHeadersPatchIn,
    ) -> Result<()> {
        let patched = move |conn: &Connection, vault: &Vault, owner| {
            let mut headers = load(conn, vault, owner)?;
            headers.patch(patch.clone()).map_err(Refusal::Invalid)?;
            Ok(headers)
        };
        self.change_headers(ctx, (scope, endpoint), patched).await
    }

    async fn change_headers(
        &self,
        ctx: &Context,
        (scope, endpoint): (Scope, Reference<EndpointTag>),
        next: impl Fn(&Connection, &Vault, Owner) -> Result<Headers> + Send + 'static,
    ) -> Result<()> {
        let (now, queue) = (Timestamp::now(), self.queue.clone());
        let change = move |tx: &mut Tx<'_>| {
            let owner = owner(tx, &scope, &endpoint)?;
            let headers = next(tx, queue.vault(), owner)?;
            write(tx, (queue.vault(), owner), &headers, now)?;
            queue.endpoint_changed(tx, owner)
        };
        self.writer.submit(ctx, change).await
    }
}

fn load(conn: &Connection, vault: &Vault, owner: Owner) -> Result<Headers> {
    let sealed: Option<String> = conn
        .prepare_cached(HEADERS)
        .and_then(|mut query| query.query_row(owner, |row| row.get(0)).optional())
        .sql("load headers")?
        .ok_or(Refusal::NotFound)?;
    vault.drawer(owner).headers(sealed.as_deref())
}

/// Seals and stores the headers of a live endpoint.
pub(super) fn write(
    conn: &Connection,
    (vault, owner): (&Vault, Owner),
    headers: &Headers,
    now: Timestamp,
) -> Result<()> {
    let drawer = vault.drawer(owner);
    let sealed = headers.write().map(|json| drawer.seal(Field::Headers, json.expose()));
    let ((org, app, id), sealed) = (owner, sealed.as_ref().map(Sealed::as_str));
    conn.prepare_cached(WRITE)
        .and_then(|mut write| write.execute((org, app, id, sealed, now.as_micros())))
        .sql("store headers")
        .map(drop)
}
