//! Settings from four layers, each value with its origin: flag over environment over TOML file over default.
//!
//! A setting is declared once, as a [`Setting`]; its flag (`--retry-schedule`), its variable
//! (`RELAY_RETRY_SCHEDULE`), its key in the file (`retry-schedule`) and its row in [`table`] follow from that.
//! Nothing is read here: arguments, variables and the file's text are passed in.
//!
//! Faults are collected, so that a user mends them all at once. Take every setting first, then
//! [`finish`](Loader::finish), then use what was taken:
//!
//! ```
//! use std::net::SocketAddr;
//! use std::time::Duration;
//!
//! use linchpin_security::config::{Faults, Loader, Setting};
//!
//! const SETTINGS: &[Setting] = &[
//!     Setting::new("listen", "Address to serve on").default("127.0.0.1:8071"),
//!     Setting::new("retry-schedule", "Waits between attempts").default("5s, 5m, 30m"),
//! ];
//!
//! fn load() -> Result<(SocketAddr, Vec<Duration>), Faults> {
//!     let mut loader = Loader::new("RELAY", SETTINGS);
//!     loader.file("relay.toml", "listen = '127.0.0.1:9000'\nretry-schedul = ['1s']");
//!     loader.environment([("RELAY_RETRY_SCHEDULE", "5s, 300")]);
//!     let listen = loader.take("listen");
//!     let schedule = loader.take("retry-schedule");
//!     loader.finish()?;
//!     Ok((listen?, schedule?))
//! }
//!
//! assert_eq!(
//!     load().unwrap_err().to_string(),
//!     "2 settings are wrong:\n  \
//!      retry-schedul (relay.toml line 2): there is no such setting; did you mean `retry-schedule`?\n  \
//!      retry-schedule (RELAY_RETRY_SCHEDULE) = `5s, 300`: item 2 has no unit; \
//!      expected a comma-separated list, each a time with its unit, such as 250ms, 30s, 5m, 2h or 1d"
//! );
//! ```

mod effective;
mod fault;
mod loader;
mod nearest;
mod setting;
mod units;
mod value;

pub use self::effective::{Effective, table};
pub use self::fault::{Fault, Faults};
pub use self::loader::Loader;
pub use self::setting::{Setting, Source};
pub use self::units::ByteSize;
pub use self::value::{Choice, FromSetting, Value};
