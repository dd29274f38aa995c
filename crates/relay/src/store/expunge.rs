//! Content that somebody wants gone: payloads of messages and answers of receivers. What they belonged to stays.
//!
//! It is overwritten in the file with the commit, and the log is emptied behind it: see [`wipe`](super::wipe) for how far that
//! goes. An attempt that has the payload in memory is not called back.

use std::collections::{BTreeMap, BTreeSet};

use linchpin::Result;
use linchpin::context::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};

use super::wipe::wiped;
use super::{Answer, Once, Reference, Refusal, Scope, Store, message, once};
use crate::ids::{AppId, AttemptId, MessageId, MessageTag, OrgId};
use crate::model::expunge::{BulkExpungeOut, Expunged};
use crate::model::message::Content;

const MESSAGE: &str = "
    UPDATE message SET payload = x'', content = ?3, content_until = NULL WHERE app = ?1 AND id = ?2";
/// By the endpoints of the application, each of which has its rows in an index.
const WAITING: &str = "
    DELETE FROM delivery WHERE message = ?2 AND leased = 0
       AND endpoint IN (SELECT id FROM endpoint WHERE app = ?1)";
const ATTEMPT: &str = "
    UPDATE attempt SET response = 'EXPUNGED' WHERE org = ?1 AND app = ?2 AND message = ?3 AND id = ?4";

impl Store {
    /// Removes the payload of a message, and the deliveries of it that wait in the database.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], those of the database.
    pub async fn expunge_message(
        &self,
        ctx: &Context,
        scope: Scope,
        message: Reference<MessageTag>,
    ) -> Result<()> {
        self.expunging(ctx, move |tx| {
            let app = scope.resolve(tx)?;
            let was_there = expunge(tx, scope.org, app, &message)?;
            if was_there { Ok(()) } else { Err(Refusal::NotFound.into()) }
        })
        .await
    }

    /// The same of many messages, and tells of each whether it was there: 200.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] of the application, [`Refusal::KeyReused`], those of the database.
    pub async fn expunge_messages(
        &self,
        ctx: &Context,
        scope: Scope,
        ids: BTreeSet<String>,
        key: Option<Once>,
    ) -> Result<Answer> {
        let now = Timestamp::now();
        self.expunging(ctx, move |tx| {
            once(tx, key.as_ref(), now, |tx| {
                let app = scope.resolve(tx)?;
                let mut results = BTreeMap::new();
                for id in &ids {
                    let was_there = expunge(tx, scope.org, app, &id.as_str().into())?;
                    results.insert(id.clone(), Expunged::new(was_there));
                }
                Ok((200, BulkExpungeOut { results }))
            })
        })
        .await
    }

    /// Removes what the receiver answered to an attempt.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], those of the database.
    pub async fn expunge_attempt(
        &self,
        ctx: &Context,
        scope: Scope,
        message: Reference<MessageTag>,
        attempt: AttemptId,
    ) -> Result<()> {
        self.expunging(ctx, move |tx| {
            let app = scope.resolve(tx)?;
            let message = message::id_of(tx, scope.org, app, &message)?;
            let message = message.ok_or(Refusal::NotFound)?;
            let params = (scope.org, app, message, attempt);
            let changed = wiped(tx, || {
                tx.prepare_cached(ATTEMPT)
                    .and_then(|mut update| update.execute(params))
                    .sql("expunge an attempt")
            })?;
            if changed == 0 { Err(Refusal::NotFound.into()) } else { Ok(()) }
        })
        .await
    }

    /// Does `work`, and empties the log behind it.
    async fn expunging<T: Send + 'static>(
        &self,
        ctx: &Context,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let log = self.log.clone();
        let step = move |tx: &mut Tx<'_>| {
            let done = work(tx)?;
            log.expunges(tx);
            Ok(done)
        };
        let done = self.writer.submit(ctx, step).await?;
        self.empty_log(ctx).await;
        Ok(done)
    }
}

/// Whether the message was there.
fn expunge(tx: &Tx<'_>, org: OrgId, app: AppId, message: &Reference<MessageTag>) -> Result<bool> {
    let Some(id) = message::id_of(tx, org, app, message)? else { return Ok(false) };
    wiped(tx, || remove(tx, app, id))?;
    Ok(true)
}

/// Removes a payload, and the deliveries of it that wait. To be [wiped].
pub(super) fn remove(tx: &Tx<'_>, app: AppId, message: MessageId) -> Result<()> {
    tx.prepare_cached(MESSAGE)
        .and_then(|mut update| update.execute((app, message, Content::Expunged)))
        .and_then(|_| tx.prepare_cached(WAITING)?.execute((app, message)))
        .sql("expunge a message")?;
    Ok(())
}
