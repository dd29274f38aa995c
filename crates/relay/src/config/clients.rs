//! How long clients of the API are waited for.

use std::time::Duration;

use linchpin_http::server;
use linchpin_security::config::{Fault, Loader};

use super::positive;

/// The patience with clients.
#[derive(Clone, Debug)]
pub struct Clients {
    header: Duration,
    idle: Duration,
    body: Duration,
    write: Duration,
}

impl Clients {
    /// Takes its settings, and finds all that is wrong with each.
    pub(super) fn take(loader: &mut Loader) -> Result<Self, Fault> {
        let header = positive(loader, "api-header-timeout");
        let idle = positive(loader, "api-idle-timeout");
        let body = positive(loader, "api-body-timeout");
        let write = positive(loader, "api-write-timeout");
        Ok(Self { header: header?, idle: idle?, body: body?, write: write? })
    }

    /// What a server is told of it.
    #[must_use]
    pub fn bounds(&self) -> server::Options {
        server::Options::default()
            .header_read(self.header)
            .idle(self.idle)
            .body_read(self.body)
            .write(self.write)
    }
}
