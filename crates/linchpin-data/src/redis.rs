//! A connection to Redis that comes back by itself.

use std::time::Duration;

use linchpin::{Error, Kind, Result};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError};

/// A connection to the server at `url` (`redis://host:port/database`), shared by all that clone it. It is opened when it
/// is first used, and again when it broke: the command that met the breakage fails, and is not sent again.
///
/// # Errors
///
/// If the URL is none.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn connect(url: &str) -> Result<ConnectionManager> {
    let client = Client::open(url).map_err(|cause| Error::new(Kind::InvalidArgument, cause))?;
    // Whoever waits has its own limit, and there is no use in waiting for a server longer than it is asked again.
    let config = ConnectionManagerConfig::new()
        .set_min_delay(Duration::from_millis(20))
        .set_max_delay(Duration::from_millis(100))
        .set_number_of_retries(2)
        .set_connection_timeout(Some(Duration::from_secs(1)))
        .set_response_timeout(Some(Duration::from_secs(1)));
    ConnectionManager::new_lazy_with_config(client, config)
        .map_err(|cause| Error::new(Kind::InvalidArgument, cause))
}

/// The error of a store, and what was tried.
pub(crate) fn error(doing: &'static str) -> impl Fn(RedisError) -> Error {
    move |cause| Error::new(Kind::Unavailable, cause).context(doing)
}
