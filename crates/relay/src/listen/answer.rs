//! What the receiver answers.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Never answers: the sender's time limit must end it.
    Hang,
    /// This status.
    Status(u16),
}

/// The answers to give, one a request; the last is repeated for ever.
#[derive(Debug)]
pub struct Answers {
    list: Vec<Answer>,
    next: AtomicUsize,
}

impl Answers {
    /// Answers from a list; an empty one always answers 200.
    #[must_use]
    pub fn new(list: Vec<Answer>) -> Self {
        Self { list, next: AtomicUsize::new(0) }
    }

    /// The answer to the next request.
    pub fn next(&self) -> Answer {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        self.list.get(index).or(self.list.last()).copied().unwrap_or(Answer::Status(200))
    }
}

impl FromStr for Answer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "hang" => Ok(Self::Hang),
            "ok" => Ok(Self::Status(200)),
            "fail" => Ok(Self::Status(500)),
            code => match code.parse() {
                Ok(status @ 200..=599) => Ok(Self::Status(status)),
                _ => Err(format!(
                    "`{text}` is no answer: say ok, fail, hang or a status such as 429"
                )),
            },
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hang => f.write_str("no answer"),
            Self::Status(status) => status.fmt(f),
        }
    }
}
