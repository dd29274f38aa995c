//! The time limit as a layer of tower.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use linchpin::resilience::FailedKind;
use linchpin::time::Instant;
use tower_layer::Layer as _;
use tower_service::Service;

use super::{SECOND, timeout};

/// Answers after so long.
#[derive(Clone, Copy)]
struct After(Duration);

impl Service<Result<u8, u8>> for After {
    type Response = u8;
    type Error = u8;
    type Future = Pin<Box<dyn Future<Output = Result<u8, u8>> + Send>>;

    fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), u8>> {
        if self.0.is_zero() { Poll::Ready(Err(9)) } else { Poll::Ready(Ok(())) }
    }

    fn call(&mut self, answer: Result<u8, u8>) -> Self::Future {
        let takes = self.0;
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            answer
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_has_so_long_to_answer() {
    let timeout = timeout(2 * SECOND);
    for (takes, answer, expected) in
        [(SECOND, Ok(7), Ok(7)), (SECOND, Err(3), Err(Some(3))), (3 * SECOND, Ok(7), Err(None))]
    {
        let mut service = timeout.layer().layer(After(takes));
        poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
        let begun = Instant::now();
        let result = service.call(answer).await.map_err(|failed| match failed.into_kind() {
            FailedKind::Callee(error) => Some(error),
            FailedKind::TimedOut => None,
            other => panic!("{other:?}"),
        });
        assert_eq!((result, begun.elapsed()), (expected, takes.min(2 * SECOND)));
    }
    assert_eq!(timeout.numbers().fired, 1);
    let mut unready = timeout.layer().layer(After(Duration::ZERO));
    let failed = poll_fn(|cx| unready.poll_ready(cx)).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee(9)));
}
