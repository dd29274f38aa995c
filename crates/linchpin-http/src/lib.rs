//! HTTP for services: a server whose every wait is bounded, its shutdown in phases, the middleware around handlers,
//! problem responses, and a client for addresses that strangers give.
//!
//! | module | what it gives | what a Go engineer knows it as |
//! |---|---|---|
//! | [`server`] | accept loop, time bounds, drain | `http.Server` with all its timeouts set |
//! | [`lifecycle`] | ready, draining, stopping; signals; hooks; a report | `Shutdown(ctx)`, oklog/run |
//! | [`notify`] | a service manager told by `sd_notify` | `daemon.SdNotify` |
//! | [`middleware`] | request id, context, panic boundary, logs and numbers, in one order | chi's middleware |
//! | [`problem`] | RFC 9457 bodies from [`linchpin::Error`] | hand-written |
//! | [`rate_limit`] | `RateLimit`, `RateLimit-Policy` and `Retry-After` | hand-written |
//! | [`forwarded`] | who is behind one's own proxies | chi's `RealIP`, with a list of whom to believe |
//! | [`client`] | outbound calls that judge every address dialled | `http.Client` with `Dialer.Control` |

#![forbid(unsafe_code)]

pub mod client;
pub mod forwarded;
pub mod lifecycle;
pub mod middleware;
pub mod notify;
pub mod problem;
pub mod rate_limit;
pub mod server;
