//! What goes over the wire: the bodies of requests and replies, and the rules that a body must obey.
//!
//! A body is parsed into an input, checked whole by [`Input::check`], and then handed to the store. Every aggregate has
//! one type for what is kept and one for what is shown; the second is made from the first and nothing else.
//!
//! JSON names are those of the Svix API. Unknown fields are ignored, as its clients expect.

pub mod access;
pub mod application;
pub mod attempt;
pub mod attempted;
pub mod endpoint;
pub mod event_type;
pub mod example;
pub mod expunge;
pub mod faults;
pub mod headers;
pub mod message;
pub mod openapi;
pub mod operational;
pub mod page;
mod patch;
pub mod replay;
pub mod rules;
mod schema;
pub mod secret;
pub mod stats;
pub mod task;
pub mod time;
pub mod usage;

use linchpin_http::client::AddressPolicy;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::faults::Faults;

/// A request body that can be judged.
pub trait Input: DeserializeOwned + Send + 'static {
    /// Whether there may be no body at all, which is then an empty object.
    const MAY_BE_MISSING: bool = false;

    /// Whether it may take long to parse and to judge, so that others must not wait for it.
    const TAKES_LONG: bool = false;

    /// Notes every constraint that is broken, not only the first, and normalises what has a normal form (URLs).
    ///
    /// `addresses` says which hosts an endpoint may name.
    fn check(&mut self, addresses: &AddressPolicy, faults: &mut Faults);
}

/// An object in which nothing is asked for and nothing is told.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
pub struct Empty {}

impl Input for Empty {
    const MAY_BE_MISSING: bool = true;

    fn check(&mut self, _: &AddressPolicy, _: &mut Faults) {}
}
