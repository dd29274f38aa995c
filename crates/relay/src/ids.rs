//! The kinds of ids: 20 bytes in the database, a prefix and 27 characters outside.

use linchpin_data::id::{Id, Tag};

macro_rules! ids {
    ($($(#[$doc:meta])* $tag:ident $name:ident $prefix:literal;)*) => {$(
        #[doc = concat!("The tag of ids that begin with `", $prefix, "`.")]
        #[derive(Debug)]
        pub enum $tag {}

        impl Tag for $tag {
            const PREFIX: &'static str = $prefix;
        }

        $(#[$doc])*
        pub type $name = Id<$tag>;
    )*};
}

ids! {
    /// An organisation: the tenant a token belongs to.
    OrgTag OrgId "org_";
    /// An application: one customer of the tenant.
    AppTag AppId "app_";
    /// An endpoint: a URL that receives.
    EndpointTag EndpointId "ep_";
    /// A message: one event to deliver.
    MessageTag MessageId "msg_";
    /// One try to deliver a message to an endpoint.
    AttemptTag AttemptId "atmpt_";
    /// Work that a request began and did not wait for.
    TaskTag TaskId "qtask_";
    /// A token of an application: what it is revoked by.
    TokenTag TokenId "tok_";
}

/// The organisation of tokens that were made without naming one; svix-server has the same.
pub const DEFAULT_ORG: &str = "org_23rb8YdGqMT0qIzpgGwdXfHirMu";
