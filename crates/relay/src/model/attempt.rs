//! Attempts: what became of each try to deliver.

use linchpin::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::message::{Message, MessageOut};
use super::time::Time;
use crate::ids::{AttemptId, EndpointId, MessageId};

/// The status of an attempt that succeeded.
pub const SUCCESS: u8 = 0;
/// The status of what waits for its first attempt.
pub const PENDING: u8 = 1;
/// The status of one that failed.
pub const FAIL: u8 = 2;
/// The status of what is still to be attempted.
pub const SENDING: u8 = 3;
/// The status of one that was not made, as the delivery had nowhere to go any more.
pub const CANCELED: u8 = 4;
/// What triggers an attempt: the schedule.
pub const SCHEDULED: u8 = 0;
/// What triggers an attempt: somebody who asked for it.
pub const MANUAL: u8 = 1;

/// An attempt as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// Ours.
    pub id: AttemptId,
    /// What was sent.
    pub message: MessageId,
    /// To whom.
    pub endpoint: EndpointId,
    /// Where to.
    pub url: String,
    /// How it ended: 0 success, 2 failure, 4 not made.
    pub status: u8,
    /// What the receiver answered; 0 if it did not.
    pub status_code: u16,
    /// What it said, or the error.
    pub response: String,
    /// How long it took.
    pub duration_ms: u64,
    /// 0 by the schedule, 1 by hand.
    pub trigger_type: u8,
    /// When it began.
    pub created_at: Timestamp,
}

/// An attempt as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageAttemptOut {
    /// `atmpt_` and 27 characters.
    #[schema(value_type = String)]
    pub id: AttemptId,
    /// Where to.
    pub url: String,
    /// What the receiver said, or the error; `{}` if it was not asked for.
    pub response: String,
    /// What the receiver answered; 0 if it did not.
    pub response_status_code: u16,
    /// From the connection to the last byte.
    pub response_duration_ms: u64,
    /// 0 success, 1 pending, 2 fail, 3 sending, 4 canceled.
    pub status: u8,
    /// The status as a word.
    #[schema(value_type = String)]
    pub status_text: &'static str,
    /// 0 by the schedule, 1 by hand.
    pub trigger_type: u8,
    /// What was sent.
    #[schema(value_type = String)]
    pub msg_id: MessageId,
    /// To whom.
    #[schema(value_type = String)]
    pub endpoint_id: EndpointId,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Time,
    /// What was sent, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg: Option<MessageOut>,
}

/// The hundreds of an answer's status code.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "u16")]
pub struct StatusClass(u16);

// ===== impl MessageAttemptOut =====

impl MessageAttemptOut {
    /// What is shown of `attempt` and its message, with the receiver's words and the payload or without.
    #[must_use]
    pub fn new(attempt: Attempt, msg: Option<Message>, with_content: bool) -> Self {
        Self {
            id: attempt.id,
            url: attempt.url,
            response: if with_content { attempt.response } else { "{}".to_owned() },
            response_status_code: attempt.status_code,
            response_duration_ms: attempt.duration_ms,
            status: attempt.status,
            status_text: status_text(attempt.status),
            trigger_type: attempt.trigger_type,
            msg_id: attempt.message,
            endpoint_id: attempt.endpoint,
            timestamp: Time(attempt.created_at),
            msg: msg.map(|message| MessageOut::new(message, with_content)),
        }
    }
}

pub(super) fn status_text(status: u8) -> &'static str {
    match status {
        SUCCESS => "success",
        PENDING => "pending",
        FAIL => "fail",
        SENDING => "sending",
        _ => "canceled",
    }
}

// ===== impl StatusClass =====

impl StatusClass {
    /// The first and the last code of the class; 0 is the class of those that got no answer.
    #[must_use]
    pub fn codes(self) -> (u16, u16) {
        (self.0, self.0 + 99)
    }
}

impl TryFrom<u16> for StatusClass {
    type Error = &'static str;

    fn try_from(class: u16) -> Result<Self, &'static str> {
        match class {
            0 | 100 | 200 | 300 | 400 | 500 => Ok(Self(class)),
            _ => Err("must be one of 0, 100, 200, 300, 400, 500"),
        }
    }
}
