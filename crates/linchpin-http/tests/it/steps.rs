//! Every wait of server, middleware, lifecycle and client, dropped wherever it can be: nothing is left of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use linchpin::Context;
use linchpin::resilience::limiter::Rate;
use linchpin::task::{self, Task};
use linchpin_http::client::{AddressPolicy, Client, ClientOptions, Limits};
use linchpin_http::lifecycle::{self, Lifecycle};
use linchpin_http::middleware::{self, Ctx, StackOptions, stack};
use linchpin_http::server::{Serve, Server};
use linchpin_testing::leak::Check;
use linchpin_testing::proxy::TestProxy;
use linchpin_testing::server::{Answer, TestServer};
use linchpin_testing::steps;
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use crate::per_caller;
use crate::support::{Raw, any_port, soon};

const SECOND: Duration = Duration::from_secs(1);

#[linchpin_testing::test]
async fn a_dropped_bind_leaves_the_address_free() {
    let world = async || Server::bind(any_port()).await.unwrap().local_addr();
    let bind = async |addr: &SocketAddr| drop(Server::bind(*addr).await.unwrap());
    steps::drop_at_each(world, bind, bind).await;
}

#[linchpin_testing::test]
async fn a_dropped_server_leaves_no_listener_and_no_connection() {
    struct World {
        serve: Mutex<Option<Serve<Router>>>,
        addr: SocketAddr,
        life: Lifecycle,
        check: Check,
        _client: Task<()>,
    }

    // A client that asks once, and then has the service shut down with its connection still open.
    let world = async || {
        let life = Lifecycle::new(lifecycle::Options::default()).unwrap();
        let server = Server::bind(any_port()).await.unwrap();
        let addr = server.local_addr();
        let check = Check::new().only(["connection"]);
        let ends = life.clone();
        let client = task::spawn("client", async move {
            let mut raw = Raw(TcpStream::connect(addr).await.unwrap());
            raw.get("/").await;
            ends.shutdown("test");
            ends.finished().await;
            drop(raw);
        });
        let serve = server.serve(Router::new().route("/", get(|| async { "hello" })));
        World { serve: Mutex::new(Some(serve)), addr, life, check, _client: client }
    };
    let run = async |world: &World| {
        let serve = world.serve.lock().unwrap().take().expect("one a world");
        serve.run(&world.life).await.unwrap();
    };
    let left = async |world: &World| {
        drop(world.serve.lock().unwrap().take());
        world.check.assert_none().await;
        assert_eq!(world.life.in_flight(), 0);
        drop(Server::bind(world.addr).await.unwrap());
    };
    let report = steps::drop_at_each(world, run, left).await;
    assert!(report.steps > 2, "{report:?}");
}

#[linchpin_testing::test(start_paused)]
async fn a_request_that_is_dropped_anywhere_takes_its_handler_and_its_context_with_it() {
    type World = (Arc<()>, Arc<Mutex<Option<Context>>>);

    let ask = async |(probe, seen): &World| {
        let (probe, seen) = (probe.clone(), seen.clone());
        let handler = move |Ctx(ctx): Ctx| {
            let probe = probe.clone();
            *seen.lock().unwrap() = Some(ctx.clone());
            async move {
                for _ in 0..3 {
                    ctx.sleep(SECOND).await.unwrap();
                }
                drop(probe);
                "done"
            }
        };
        let limit = per_caller::limit(Rate::per_second(1_000), 1_000);
        let limit = from_fn_with_state(limit, middleware::rate_limit::<String>);
        let router = Router::new().route("/", get(handler)).layer(limit);
        let router = stack(router, &Context::root(), &StackOptions::default());
        let answer = router
            .oneshot(Request::get("/").header("who", "ann").body(Body::empty()).unwrap())
            .await;
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    };
    let left = async |(probe, seen): &World| {
        assert!(seen.lock().unwrap().as_ref().is_none_or(Context::is_cancelled));
        assert_eq!(Arc::strong_count(probe), 1);
    };
    let report = steps::drop_at_each(async || World::default(), ask, left).await;
    assert_eq!(report.steps, 4);
}

#[linchpin_testing::test(start_paused)]
async fn a_shutdown_whose_lead_was_dropped_can_be_led_by_another() {
    type World = (Lifecycle, Arc<()>, Task<()>);

    // The signal comes after a while, with work under way and a hook that waits.
    let world = async || {
        let life = Lifecycle::new(lifecycle::Options::default().pre_drain(SECOND)).unwrap();
        let probe = Arc::new(());
        let held = probe.clone();
        life.on_stop("hook", move |ctx| async move {
            ctx.sleep(SECOND).await.ok();
            drop(held);
            "ended".to_owned()
        });
        let (ends, guard) = (life.clone(), life.guard());
        let signal = task::spawn("signal", async move {
            tokio::time::sleep(SECOND).await;
            ends.shutdown("test");
            tokio::time::sleep(3 * SECOND).await;
            drop(guard);
        });
        (life, probe, signal)
    };
    let lead = async |(life, ..): &World| drop(life.finished().await);
    let left = async |(life, probe, _): &World| {
        let report = life.finished().await;
        assert_eq!((report.cause.to_string().as_str(), report.aborted), ("test", 0));
        assert_eq!((life.in_flight(), Arc::strong_count(probe)), (0, 1));
        assert!(life.hard().is_cancelled());
    };
    let report = steps::drop_at_each(world, lead, left).await;
    assert!(report.steps > 4, "{report:?}");
}

#[linchpin_testing::test]
async fn a_dropped_call_leaves_a_client_that_works_and_no_connection() {
    struct World {
        server: TestServer,
        client: Mutex<Option<Client>>,
        check: Check,
        _proxy: TestProxy,
    }

    async fn call(client: &Client, server: &TestServer) -> StatusCode {
        let request = Request::post(server.url()).body(Full::from(Bytes::from("payload"))).unwrap();
        let (ctx, limits) = (Context::root(), Limits::default());
        soon("the call ends", client.send(&ctx, request, &limits)).await.unwrap().status
    }

    let world = async |scheme: Option<&str>| {
        let (server, proxy) = (TestServer::spawn().await, TestProxy::spawn().await);
        server.then(Answer::text(201, "made"));
        let local = AddressPolicy::public().allow_loopback();
        let mut options = ClientOptions::default().addresses(local);
        if let Some(scheme) = scheme {
            options = options.proxy(format!("{scheme}://{}", proxy.addr()).parse().unwrap());
        }
        let client = Mutex::new(Some(Client::new(options).unwrap()));
        let check = Check::new().only(["client connection"]);
        World { server, client, check, _proxy: proxy }
    };
    let send = async |world: &World| {
        let client = world.client.lock().unwrap().clone().expect("until the end");
        assert_eq!(call(&client, &world.server).await, StatusCode::CREATED);
    };
    let left = async |world: &World| {
        let client = world.client.lock().unwrap().take().expect("one a world");
        assert_eq!(call(&client, &world.server).await, StatusCode::CREATED);
        drop(client);
        world.check.assert_none().await;
    };
    for (scheme, least) in [(None, 1), (Some("http"), 2), (Some("socks5"), 3)] {
        let report = steps::drop_at_each(async || world(scheme).await, send, left).await;
        assert!(report.steps > least, "{scheme:?}: {report:?}");
    }
}
