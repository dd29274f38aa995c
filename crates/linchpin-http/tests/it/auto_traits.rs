//! What may be sent between threads and shared by them: this file compiles, or it is not so.

use linchpin_http::client::{
    AddressPolicy, BadPem, Blocked, BlockedPort, Client, ClientOptions, Exchange, Lack, Limits,
    LocalFault, ParseProxyError, Proxy, ProxyFault, Roots, SendError, Subnet, SystemResolver,
};
use linchpin_http::lifecycle::{self, Guard, Lifecycle, Report};
use linchpin_http::middleware::{
    Ctx, ErrorPage, Inside, Observer, PerCaller, RequestId, Stack, StackOptions,
};
use linchpin_http::notify::Notifier;
use linchpin_http::problem::{Problem, Registered};
use linchpin_http::rate_limit::RateLimit;
use linchpin_http::server::{self, Serve, Server};

const fn shared<T: Send + Sync>() {}

const _: () = {
    shared::<(AddressPolicy, Blocked, Client, ClientOptions, Exchange, Limits)>();
    shared::<(BadPem, BlockedPort, ParseProxyError, Proxy, ProxyFault, Roots)>();
    shared::<(Lack, LocalFault, SendError, Subnet, SystemResolver)>();
    shared::<(lifecycle::Options, Guard, Lifecycle, Report, Notifier)>();
    shared::<(Ctx, ErrorPage<'_>, Inside, Observer, RequestId, Stack, StackOptions)>();
    shared::<PerCaller<String>>();
    shared::<(Problem, RateLimit, Registered, server::Options, Serve<()>, Server)>();
};
