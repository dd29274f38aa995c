//! The tree of an error's causes, for a log.

use std::error::Error as StdError;
use std::fmt;

use super::{Body, Error};

/// `Display` of an error with all that caused it.
pub(super) struct Report<'a>(pub(super) &'a Error);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        chain(f, self.0, 0)
    }
}

/// `error` where the line stands, and a line further in for each of its causes.
fn chain(
    f: &mut fmt::Formatter<'_>,
    error: &(dyn StdError + 'static),
    margin: usize,
) -> fmt::Result {
    let mut said: Option<String> = None;
    let mut next = Some(error);
    while let Some(cause) = next {
        let branches = joined(cause);
        let text = match branches {
            Some(branches) => format!("{} errors", branches.len()),
            None => cause.to_string(),
        };
        let inset = if said.is_some() { margin + 2 } else { margin };
        let repeated = said.as_ref().is_some_and(|said| ends_with(said, &text));
        if !repeated {
            if said.is_some() {
                write!(f, "\n{:inset$}caused by: ", "")?;
            }
            lines(f, &text, inset + 2)?;
            said = Some(text);
        }
        for (index, branch) in branches.unwrap_or_default().iter().enumerate() {
            write!(f, "\n{:1$}{2}. ", "", inset + 2, index + 1)?;
            chain(f, branch, inset + 2)?;
        }
        next = cause.source();
    }
    Ok(())
}

/// The branches of a join that has no text of its own.
fn joined<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a [Error]> {
    match &cause.downcast_ref::<Error>()?.speaker().0.body {
        Body::Joined(branches) => Some(branches),
        Body::Layer { .. } | Body::Foreign(_) => None,
    }
}

/// Whether a text says all that its cause says: many errors end with the text of what they wrap.
fn ends_with(said: &str, text: &str) -> bool {
    said.strip_suffix(text).is_some_and(|before| !before.ends_with(char::is_alphanumeric))
}

/// A text that may have several lines, the second and later ones at the margin.
fn lines(f: &mut fmt::Formatter<'_>, text: &str, margin: usize) -> fmt::Result {
    for (index, line) in text.trim_end().lines().enumerate() {
        if index > 0 {
            write!(f, "\n{:margin$}", "")?;
        }
        f.write_str(line)?;
    }
    Ok(())
}
