//! One connection, from the accept to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use bytes::Bytes;
use http::{Request, StatusCode, Version, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use linchpin::sync::select;
use linchpin::task::Timer;
use rustix::net::sockopt;
use tokio::net::TcpStream;
use tower::{Service, ServiceExt as _};

use super::Options;
use super::body::{Rest, TimedBody};
use super::closed::Reason;
use super::io::BoundedIo;
use super::seat::{Seat, Taken};
use crate::lifecycle::Lifecycle;

/// The longest head of a request, in bytes; hyper allows a hundred headers.
const HEAD: usize = 32 << 10;
/// So many bytes of answers the kernel keeps for a client that does not read: by itself it would take 4 MiB for each.
const UNREAD: usize = 128 << 10;
/// So long a connection that looks idle may still have a request, when the server stops: its bytes are in the kernel, or on
/// their way.
const LINGER: Duration = Duration::from_millis(50);

/// Serves requests until one side closes, and says why.
pub(super) async fn serve<S>(
    (stream, peer): (TcpStream, SocketAddr),
    taken: Taken,
    service: S,
    life: &Lifecycle,
    options: &Options,
) -> Reason
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    // Small answers must not wait for the client's delayed acknowledgement.
    drop(stream.set_nodelay(true));
    if let Err(fault) = sockopt::set_socket_send_buffer_size(&stream, UNREAD) {
        tracing::debug!(%fault, "the kernel keeps as much of an answer as it likes");
    }
    let (accepting, hard) = (life.accepting(), life.hard());
    let (reading, seat) = (options.reading(), &taken.0);
    let io = BoundedIo::new(stream, options.writing(), seat.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        seat.begun();
        let service = service.clone();
        async move {
            if let Some(fault) = fault(&request) {
                return Ok::<_, Infallible>(Answer::of(closing(refuse(fault)), seat));
            }
            // Who waits to be told to send its body must not be told so once it is answered.
            let waits = request.headers().contains_key(header::EXPECT);
            let rest = Rest::default();
            let timed = |body| Body::new(TimedBody::new(body, reading, seat.clone(), rest.clone()));
            let mut request = request.map(timed);
            request.extensions_mut().insert(ConnectInfo(peer));
            let response = service.oneshot(request).await?;
            // Who was too slow with it is not waited for again.
            let is_slow = seat.given_up().is_some();
            // hyper says so itself only of what came before it was told to end.
            let ends = is_slow || accepting.is_cancelled() || seat.is_last();
            let has_rest = if ends { rest.is_there() } else { !rest.is_read(!waits, hard).await };
            if has_rest && !is_slow {
                seat.linger();
            }
            let is_last = ends || has_rest;
            Ok(Answer::of(if is_last { closing(response) } else { response }, seat))
        }
    });
    let mut http = http1::Builder::new();
    // How long a header takes is the seat's to judge.
    http.header_read_timeout(None).max_buf_size(HEAD);
    let connection = pin!(http.serve_connection(TokioIo::new(io), service));
    let mut watched = Watched { connection, seat, timer: Timer::stopped() };
    let ended = match accepting.run(&mut watched).await {
        Ok(ended) => ended,
        Err(_) => {
            let ended = if options.hasty {
                Ok(None)
            } else {
                select::within(life.hard(), LINGER, &mut watched).await
            };
            match ended {
                Ok(Some(ended)) => ended,
                Ok(None) | Err(_) => {
                    // Closes an idle connection, and a silent one, at once.
                    watched.connection.as_mut().graceful_shutdown();
                    watched.await
                }
            }
        }
    };
    match (ended, seat.given_up()) {
        (Err(reason), _) | (_, Some(reason)) => reason,
        (Ok(Err(fault)), None) => {
            tracing::debug!(%fault, "a connection ended early");
            Reason::Fault
        }
        (Ok(Ok(())), None) if accepting.is_cancelled() => Reason::Shutdown,
        (Ok(Ok(())), None) => Reason::Done,
    }
}

/// A connection that ends, too, when its client has been without a request for too long. It is dropped then: between two
/// requests there is nothing to say in HTTP/1, and what had come was looked at first.
struct Watched<'a, C> {
    connection: Pin<&'a mut C>,
    seat: &'a Seat,
    timer: Timer,
}

impl<C: Future> Future for Watched<'_, C> {
    type Output = Result<C::Output, Reason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { connection, seat, timer } = &mut *self;
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(Ok(ended));
        }
        Poll::Ready(Err(ready!(seat.poll_end(timer, cx))))
    }
}

/// The body of an answer, which tells the seat that no more comes.
struct Answer {
    body: Body,
    seat: Arc<Seat>,
}

impl Answer {
    fn of(response: Response, seat: &Arc<Seat>) -> http::Response<Self> {
        response.map(|body| Self { body, seat: seat.clone() })
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.seat.answered();
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What is wrong with a request, by RFC 9112, that hyper lets through.
fn fault<B>(request: &Request<B>) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_11 => Some("the Host header is missing\n"),
        (Some(_), Some(_)) => Some("there is more than one Host header\n"),
        _ => None,
    }
}

fn refuse(fault: &'static str) -> Response {
    let mut response = Response::new(Body::from(fault));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// The last response of its connection.
fn closing(mut response: Response) -> Response {
    let close = http::HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}
