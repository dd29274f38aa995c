//! The time limit as a layer of tower.

use std::future::{poll_fn, ready};
use std::task::Poll;
use std::time::Duration;

use linchpin::resilience::FailedKind;
use linchpin::time::Instant;
use tower_layer::Layer as _;
use tower_service::Service;

use super::{SECOND, timeout};
use crate::callee::{callee, is_ready};

/// Answers after so long.
fn after(takes: Duration) -> impl Service<Result<u8, u8>, Response = u8, Error = u8> {
    callee(move |answer: Result<u8, u8>| async move {
        tokio::time::sleep(takes).await;
        answer
    })
}

#[tokio::test(start_paused = true)]
async fn a_service_has_so_long_to_answer() {
    let timeout = timeout(2 * SECOND);
    for (takes, answer, expected) in
        [(SECOND, Ok(7), Ok(7)), (SECOND, Err(3), Err(Some(3))), (3 * SECOND, Ok(7), Err(None))]
    {
        let mut service = timeout.layer().layer(after(takes));
        assert!(is_ready(&mut service));
        let begun = Instant::now();
        let result = service.call(answer).await.map_err(|failed| match failed.into_kind() {
            FailedKind::Callee(error) => Some(error),
            FailedKind::TimedOut => None,
            other => panic!("{other:?}"),
        });
        assert_eq!((result, begun.elapsed()), (expected, takes.min(2 * SECOND)));
    }
    assert_eq!(timeout.numbers().fired, 1);
    let never = callee(|answer: Result<u8, u8>| ready(answer)).readiness(Poll::Ready(Err(9)));
    let mut unready = timeout.layer().layer(never);
    let failed = poll_fn(|cx| unready.poll_ready(cx)).await.unwrap_err();
    assert!(matches!(failed.kind(), FailedKind::Callee(9)));
}
