//! To and from the cancellation tokens of tokio-util.

use std::ops::Deref;

use tokio_util::sync::CancellationToken;

use super::node::{Node, Role};
use super::{After, Context};

/// A token that is cancelled when a context ends: the result of [`Context::token`].
///
/// Dereferences to the token. Dropping it cuts the tie and cancels nothing, so keep it as long as the token is used.
#[derive(Debug)]
#[must_use = "dropping it cuts the tie between the context and the token"]
pub struct Token {
    token: CancellationToken,
    _tie: After,
}

impl Token {
    pub(super) fn new(context: &Context) -> Self {
        let token = CancellationToken::new();
        let cancelled = token.clone();
        Self { token, _tie: context.after(move || cancelled.cancel()) }
    }
}

impl Deref for Token {
    type Target = CancellationToken;

    fn deref(&self) -> &CancellationToken {
        &self.token
    }
}

impl From<CancellationToken> for Context {
    /// A context that ends with `token`, as [cancelled](super::Cause::Cancelled).
    ///
    /// [Merge](Context::merge) it with another to get that one's deadline and values.
    fn from(token: CancellationToken) -> Self {
        Self(Some(Node::new(&None, Role::Token(token), None)))
    }
}
