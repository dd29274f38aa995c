//! The secrets of endpoints: columns of `endpoint` that are sealed.

use linchpin::context::Context;
use linchpin::error::ResultExt as _;
use linchpin::time::Timestamp;
use linchpin::{Kind, Result};
use linchpin_data::sqlite::{Sql as _, Tx};
use linchpin_security::seal::Sealed;
use linchpin_security::webhook::Secret;
use rusqlite::{Connection, OptionalExtension as _};

use super::endpoint::owner;
use super::once::{Given, once_named};
use super::{Answer, Once, Reference, Refusal, Scope, Store, json, operational};
use crate::ids::EndpointTag;
use crate::model::secret::{self, EndpointSecretOut, EndpointSecretRotateIn};
use crate::vault::{Field, OldSecrets, Owner, Vault};

/// So many old secrets of an endpoint sign at a time.
const OLD_SECRETS: usize = 10;

const SECRETS: &str = "
    SELECT secret, old_secrets FROM endpoint WHERE org = ?1 AND app = ?2 AND id = ?3 AND deleted = 0";
const ROTATE: &str = "
    UPDATE endpoint SET secret = ?4, old_secrets = ?5, updated_at = ?6
    WHERE org = ?1 AND app = ?2 AND id = ?3 AND deleted = 0";

impl Store {
    /// The secret that deliveries to the endpoint are signed with. That it was read is logged.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Kind::Internal`] if it does not open, those of the database.
    pub async fn endpoint_secret(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
    ) -> Result<Secret> {
        let (vault, who) = (self.vault().clone(), scope.clone());
        let read = move |conn: &Connection| {
            let owner = owner(conn, &scope, &endpoint)?;
            let (secret, _) = secrets(conn, &vault, owner)?;
            Ok((owner, secret))
        };
        let (endpoint, secret) = self.reader.query(ctx, read).await?;
        tell("secret read", &who, endpoint);
        Ok(secret)
    }

    /// Puts another secret in the place of the endpoint's, which signs beside it for the grace period: 200. One that is in its
    /// place already changes nothing.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::Unsuited`] if too many old secrets have not ended, [`Refusal::KeyReused`],
    /// [`Kind::Internal`] if the present ones do not open, those of the database.
    pub async fn rotate_secret(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
        (input, key): (EndpointSecretRotateIn, Option<Once>),
    ) -> Result<Answer> {
        let (now, org) = (Timestamp::now(), scope.org);
        let until = now + input.grace();
        let wanted =
            input.key.as_ref().map(secret::parse).transpose().kind(Kind::InvalidArgument)?;
        let queue = self.queue.clone();
        let rotate = move |tx: &mut Tx<'_>| {
            once_named(tx, key.as_ref(), now, |tx| {
                let endpoint = owner(tx, &scope, &endpoint)?;
                let rotation = Rotation { endpoint, wanted: wanted.clone(), now, until };
                let (secret, is_new) = rotation.run(tx, queue.vault())?;
                if is_new {
                    operational::updated(tx, &queue, &scope, endpoint)?;
                    let who = scope.clone();
                    tx.after_commit(move || tell("secret rotated", &who, endpoint));
                }
                let (_, app, id) = endpoint;
                Ok((200, EndpointSecretOut::of(&secret), format!("{app} {id}")))
            })
        };
        match self.writer.submit(ctx, rotate).await? {
            Given::Answer(answer) => Ok(answer),
            Given::Again { status, name } => {
                let vault = self.vault().clone();
                let read = move |conn: &Connection| {
                    let (app, id) = name.split_once(' ').unwrap_or_default();
                    let (app, id) =
                        (app.parse().kind(Kind::Internal)?, id.parse().kind(Kind::Internal)?);
                    let (secret, _) = secrets(conn, &vault, (org, app, id))?;
                    json(&EndpointSecretOut::of(&secret))
                };
                let body = self.reader.query(ctx, read).await?.into();
                Ok(Answer { status, body, replayed: true })
            }
        }
    }
}

struct Rotation {
    endpoint: Owner,
    /// One of the same kind as the present one, if none is named.
    wanted: Option<Secret>,
    now: Timestamp,
    /// The end of the present one.
    until: Timestamp,
}

impl Rotation {
    /// The secret that is in its place now, and whether it was not before.
    fn run(self, conn: &Connection, vault: &Vault) -> Result<(Secret, bool)> {
        let Self { endpoint: (org, app, id), wanted, now, until } = self;
        let (present, mut old) = secrets(conn, vault, self.endpoint)?;
        let next = wanted.unwrap_or_else(|| match present.public_key() {
            Some(_) => Secret::generate_pair(),
            None => Secret::generate(),
        });
        if next.expose() == present.expose() {
            return Ok((present, false));
        }
        old.drop_ended(now, &next);
        if until > now {
            if old.len() == OLD_SECRETS {
                let detail = "Ten old secrets of this endpoint have not ended yet";
                return Err(Refusal::Unsuited { code: "limit_reached", detail }.into());
            }
            old.add(until, present);
        }
        let drawer = vault.drawer(self.endpoint);
        let secret = drawer.seal(Field::Secret, next.expose());
        let old = old.write().map(|old| drawer.seal(Field::OldSecrets, old.expose()));
        let old = old.as_ref().map(Sealed::as_str);
        conn.prepare_cached(ROTATE)
            .and_then(|mut rotate| {
                rotate.execute((org, app, id, secret.as_str(), old, now.as_micros()))
            })
            .sql("rotate a secret")?;
        Ok((next, true))
    }
}

/// The secret of a live endpoint, and those before it.
fn secrets(conn: &Connection, vault: &Vault, endpoint: Owner) -> Result<(Secret, OldSecrets)> {
    let (secret, old): (String, Option<String>) = conn
        .prepare_cached(SECRETS)
        .and_then(|mut query| {
            query.query_row(endpoint, |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .sql("load a secret")?
        .ok_or(Refusal::NotFound)?;
    let drawer = vault.drawer(endpoint);
    Ok((drawer.secret(&secret)?, drawer.old_secrets(old.as_deref())?))
}

/// Who has done what, for whoever audits it. `by` is the subject of their token.
fn tell(what: &str, who: &Scope, (org, app, endpoint): Owner) {
    let by = who.only.map_or_else(|| org.to_string(), |app| app.to_string());
    tracing::info!(%org, %app, %endpoint, by, "{what}");
}
