//! Panics of what a server and a client are given to run, outside of handlers.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use linchpin::Context;
use linchpin_http::client::{Client, ClientOptions, Limits, Resolve};
use linchpin_http::middleware::{StackOptions, stack};

use crate::support::{Running, soon};

#[linchpin_testing::test]
async fn a_panic_in_the_page_for_a_panic_costs_its_own_connection_only() {
    let routes = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/panic", get(|| async { panic!("boom") as &'static str }));
    let options = StackOptions::default().on_error(|_| panic!("boom again"));
    let server = Running::plain(stack(routes, &Context::root(), &options)).await;
    let mut neighbour = server.connect().await;
    neighbour.get("/").await;
    let mut client = server.connect().await;
    client.send("GET /panic HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert_eq!(client.rest().await, "");
    assert!(neighbour.get("/").await.ends_with("hello"));
}

#[linchpin_testing::test]
async fn a_panic_in_a_resolver_is_an_error_of_the_call_and_leaves_the_client_whole() {
    struct Broken;
    impl Resolve for Broken {
        fn resolve<'a>(
            &'a self,
            _: &'a str,
            _: u16,
        ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
            Box::pin(async { panic!("boom") })
        }
    }
    let client = Client::new(ClientOptions::default().resolver(Broken)).unwrap();
    let ctx = Context::root();
    for _ in 0..2 {
        let request = Request::post("http://example.com/").body(Full::from(Bytes::new())).unwrap();
        let limits = Limits::default();
        let fault = soon("the call ends", client.send(&ctx, request, &limits)).await.unwrap_err();
        assert!(fault.to_string().contains("cannot look up `example.com`: panicked"), "{fault}");
        assert!(fault.to_string().ends_with("boom"), "{fault}");
    }
}
