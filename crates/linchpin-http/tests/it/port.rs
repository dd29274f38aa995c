//! Ports: those of web servers, and what is allowed besides.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use linchpin::Context;
use linchpin_http::client::{
    AddressPolicy, Client, ClientOptions, Limits, Resolve, SendError, UrlFault, validate_url,
};

use crate::support::soon;

/// Every name stands for a public address.
struct Public;

impl Resolve for Public {
    fn resolve<'a>(
        &'a self,
        _: &'a str,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        Box::pin(async move { Ok(vec![([93, 184, 216, 34], port).into()]) })
    }
}

fn fault(text: &str) -> UrlFault {
    validate_url(text, &AddressPolicy::public()).expect_err(text)
}

#[linchpin_testing::test]
fn a_port_is_one_of_web_servers_or_allowed() {
    for port in [1, 22, 25, 79, 81, 442, 444, 1023, 2375, 6379, 6667, 11211] {
        assert_eq!(fault(&format!("https://example.com:{port}/")), UrlFault::Port(port));
        assert_eq!(fault(&format!("https://93.184.216.34:{port}/")), UrlFault::Port(port));
    }
    let public = AddressPolicy::public();
    for port in [80, 443, 1024, 2374, 2377, 8080, 65535] {
        validate_url(&format!("https://example.com:{port}/"), &public).unwrap();
    }
    let more = public.clone().allow_port(81).allow_port(6379);
    for port in [81, 6379] {
        validate_url(&format!("https://example.com:{port}/"), &more).unwrap();
    }
    // A developer's own machine has what ports it likes, and others have not.
    let home = public.allow_loopback();
    validate_url("http://127.0.0.1:22/", &home).unwrap();
    validate_url("http://localhost:22/", &home).unwrap();
    assert_eq!(validate_url("http://93.184.216.34:22/", &home), Err(UrlFault::Port(22)));
}

#[linchpin_testing::test]
async fn a_port_is_judged_when_it_is_dialled_too() {
    // With loopback allowed nobody can say before, since the name might have stood for that.
    let home = AddressPolicy::public().allow_loopback();
    let client = Client::new(ClientOptions::default().addresses(home).resolver(Public)).unwrap();
    let request = Request::post("http://hook.example:22/").body(Full::<Bytes>::default()).unwrap();
    let (ctx, limits) = (Context::root(), Limits::default());
    let answered = soon("the call ends", client.send(&ctx, request, &limits)).await;
    let Err(SendError::BlockedPort(blocked)) = answered else { panic!("{answered:?}") };
    assert_eq!((blocked.host.as_str(), blocked.port), ("hook.example", 22));
}
