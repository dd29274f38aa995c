//! What may be sent between threads and shared by them: this file compiles, or it is not so.

use linchpin_testing::leak::Check;
#[cfg(feature = "http")]
use linchpin_testing::server::{Answer, Received, TestServer};

const fn shared<T: Send + Sync>() {}

const _: () = shared::<Check>();
#[cfg(feature = "http")]
const _: () = shared::<(Answer, Received, TestServer)>();
