//! Every options type of the crate, and the component that its default builds. A test of `linchpin` sees to it that
//! none is missing.

use axum::Router;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use linchpin::{Context, Result};
use linchpin_http::client::{Client, ClientOptions};
use linchpin_http::lifecycle::{self, Lifecycle};
use linchpin_http::middleware::{StackOptions, stack};
use linchpin_http::server::{self, Server};

use crate::support::any_port;

type Build = fn() -> BoxFuture<'static, Result<()>>;

const DEFAULTS: [(&str, Build); 4] = [
    ("client::ClientOptions", || async { Client::new(ClientOptions::default()).map(drop) }.boxed()),
    ("lifecycle::Options", || {
        async { Lifecycle::new(lifecycle::Options::default()).map(drop) }.boxed()
    }),
    ("middleware::StackOptions", || {
        async {
            drop(stack(Router::new(), &Context::root(), &StackOptions::default()));
            Ok(())
        }
        .boxed()
    }),
    ("server::options::Options", || {
        async {
            let life = Lifecycle::new(lifecycle::Options::default())?;
            life.force();
            let ended = life.finished().await;
            assert_eq!(ended.aborted, 0);
            let server = Server::bind(any_port()).await?.serve(Router::new());
            server.options(server::Options::default()).run(&life).await
        }
        .boxed()
    }),
];

#[linchpin_testing::test]
async fn every_default_builds_its_component() {
    for (name, build) in DEFAULTS {
        assert!(build().await.is_ok(), "{name}");
    }
}
