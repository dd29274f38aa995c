//! Deliveries that somebody asks for one by one: of a message once more, and of an example.
//!
//! They are due at once, and are tried again by the schedule when they fail, as all others. There is one delivery of a
//! message to an endpoint at most: one that waits for its next attempt is brought forward, one that is in memory is left
//! alone, since it goes without that.

use linchpin::Result;
use linchpin::context::Context;
use linchpin::time::Timestamp;
use linchpin_data::sqlite::{Sql as _, Tx};

use super::{
    Answer, Once, Reference, Refusal, Scope, Store, endpoint, event_type, message, once, target,
};
use crate::deliver::Queue;
use crate::ids::{AppId, EndpointId, EndpointTag, MessageId, MessageTag, OrgId};
use crate::model::Empty;
use crate::model::example::{ExampleIn, PING};
use crate::model::message::{Message, MessageOut};

const DELIVER: &str = "
    INSERT INTO delivery (org, app, message, endpoint, attempt, due, leased, manual)
    VALUES (?1, ?2, ?3, ?4, 0, ?5, 0, 1)
    ON CONFLICT (endpoint, message) DO UPDATE SET due = excluded.due
       WHERE leased = 0 AND due > excluded.due";

impl Store {
    /// Sends a message to an endpoint once more, whatever became of it before and whatever the endpoint wants: 202.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::Unsuited`] if the payload is not there any more,
    /// [`Refusal::Conflict`] if the endpoint is disabled, [`Refusal::KeyReused`], those of the database.
    pub async fn resend_message(
        &self,
        ctx: &Context,
        scope: Scope,
        message: Reference<MessageTag>,
        endpoint: Reference<EndpointTag>,
        key: Option<Once>,
    ) -> Result<Answer> {
        let (now, queue) = (Timestamp::now(), self.queue.clone());
        self.writer
            .submit(ctx, move |tx| {
                once(tx, key.as_ref(), now, |tx| {
                    let app = scope.resolve(tx)?;
                    let message = message::id_of(tx, scope.org, app, &message)?;
                    let message = message.ok_or(Refusal::NotFound)?;
                    if !message::has_content(tx, app, message)? {
                        let detail = "The payload of the message is not there any more";
                        return Err(Refusal::Unsuited { code: "missing_payload", detail }.into());
                    }
                    let endpoint = receiver(tx, scope.org, app, &endpoint)?;
                    deliver(tx, &queue, (scope.org, app, message, endpoint))?;
                    Ok((202, Empty {}))
                })
            })
            .await
    }

    /// Sends an example to this endpoint alone, whatever it wants: 200. It is a message like others from then on.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] of the application, the endpoint or the event type, [`Refusal::Unsuited`] if the event type
    /// has no such example, [`Refusal::Conflict`] if the endpoint is disabled, [`Refusal::KeyReused`], those of the
    /// database.
    pub async fn send_example(
        &self,
        ctx: &Context,
        scope: Scope,
        endpoint: Reference<EndpointTag>,
        input: ExampleIn,
        key: Option<Once>,
    ) -> Result<Answer> {
        let (now, queue) = (Timestamp::now(), self.queue.clone());
        let id = MessageId::at(now);
        self.writer
            .submit(ctx, move |tx| {
                once(tx, key.as_ref(), now, |tx| {
                    let app = scope.resolve(tx)?;
                    let endpoint = receiver(tx, scope.org, app, &endpoint)?;
                    let message = example(tx, scope.org, id, &input, now)?;
                    message::insert(tx, scope.org, app, &message)?;
                    deliver(tx, &queue, (scope.org, app, id, endpoint))?;
                    Ok((200, MessageOut::new(message, false)))
                })
            })
            .await
    }
}

/// The endpoint, if it gets anything.
fn receiver(
    tx: &Tx<'_>,
    org: OrgId,
    app: AppId,
    endpoint: &Reference<EndpointTag>,
) -> Result<EndpointId> {
    let endpoint = endpoint::id_of(tx, org, app, endpoint)?.ok_or(Refusal::NotFound)?;
    target::receives(tx, org, app, endpoint)?;
    Ok(endpoint)
}

fn example(
    tx: &Tx<'_>,
    org: OrgId,
    id: MessageId,
    input: &ExampleIn,
    now: Timestamp,
) -> Result<Message> {
    let schemas = if input.event_type == PING {
        None
    } else {
        event_type::find(tx, org, &input.event_type)?.ok_or(Refusal::NotFound)?.definition.schemas
    };
    let detail = "Version 1 of the event type's schema has no such example";
    let none = Refusal::Unsuited { code: "invalid_scheme", detail };
    let payload = input.body(schemas.as_ref()).ok_or(none)?;
    Ok(Message::bare(id, &input.event_type, payload, now))
}

/// Has the message delivered as soon as its turn comes.
fn deliver(
    tx: &mut Tx<'_>,
    queue: &Queue,
    (org, app, message, endpoint): (OrgId, AppId, MessageId, EndpointId),
) -> Result<()> {
    let now = queue.clock().now();
    tx.prepare_cached(DELIVER)
        .and_then(|mut deliver| deliver.execute((org, app, message, endpoint, now.as_micros())))
        .sql("store a delivery")?;
    queue.stored(tx, (app, endpoint), now);
    Ok(())
}
