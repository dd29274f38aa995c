//! Faults that are put into answers, to see that they are found.

use std::time::Duration;

use serde_json::Value;

use super::document::Operation;
use super::wire::Answer;

/// One of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Plant {
    /// A member that no schema names.
    ExtraMember,
    /// Too late.
    Late,
    /// A status that no operation lists.
    Status,
    /// A number where a text is meant.
    WrongType,
}

impl Plant {
    pub(crate) const ALL: [Self; 4] =
        [Self::ExtraMember, Self::Late, Self::Status, Self::WrongType];

    /// Changes a success of an operation that shows one thing.
    pub(crate) fn tamper(self, operation: &Operation, answer: &mut Answer) {
        if answer.status != 200 || !operation.path.ends_with('}') {
            return;
        }
        let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else { return };
        match self {
            Self::ExtraMember => body["planted"] = 1.into(),
            Self::Late => answer.took += Duration::from_mins(1),
            Self::Status => answer.status = 203,
            Self::WrongType => body["id"] = 1.into(),
        }
        answer.body = body.to_string().into_bytes();
    }
}
