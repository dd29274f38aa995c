//! Error: kind, chain, sentinels, and what a client may read.

use std::fmt;

use linchpin::error::ResultExt as _;
use linchpin::{Context, Error, Kind};

#[derive(Debug, PartialEq)]
struct Exhausted;

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pool is exhausted")
    }
}

impl std::error::Error for Exhausted {}

#[derive(Debug)]
struct Wrapped(Error);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a foreign layer")
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn context_keeps_the_kind_and_the_report_has_a_line_a_cause() {
    let error = Error::new(Kind::Unavailable, Exhausted)
        .context("borrow a connection")
        .context("load invoice");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.to_string(), "load invoice");
    assert_eq!(
        error.report().to_string(),
        "load invoice\n  caused by: borrow a connection\n  caused by: the pool is exhausted"
    );
}

#[test]
fn a_text_is_never_reported_twice() {
    let error = Error::new(Kind::Internal, Exhausted).with_public("busy").context("borrow");
    assert_eq!(error.report().to_string(), "borrow\n  caused by: the pool is exhausted");
}

#[test]
fn a_sentinel_survives_wrapping_and_boxing() {
    let inner = Error::new(Kind::Unavailable, Exhausted).context("inner");
    let outer = Error::new(Kind::Internal, Wrapped(inner)).context("outer");
    assert!(outer.is(&Exhausted));
    assert!(outer.find::<Wrapped>().is_some());
    assert!(outer.find::<fmt::Error>().is_none());
    assert_eq!(outer.kind(), Kind::Internal);
}

#[test]
fn clients_read_the_outermost_public_text_or_the_kinds_own() {
    let bare = Error::new(Kind::NotFound, "row 7 of table invoices is missing");
    assert_eq!(bare.public(), "not found");
    let told = bare.with_public("no such invoice").context("load invoice");
    assert_eq!(told.public(), "no such invoice");
    let shared = told.clone().with_public("gone");
    assert_eq!((shared.public(), told.public()), ("gone", "no such invoice"));
    assert_eq!(shared.kind(), Kind::NotFound);
}

#[test]
fn a_foreign_error_gets_a_kind_at_the_seam() {
    let parsed: Result<u8, _> =
        "x".parse::<u8>().kind(Kind::InvalidArgument).context("read the port");
    let error = parsed.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(error.find::<std::num::ParseIntError>().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_context_is_told_apart_by_kind() {
    let deadline = Context::root().with_timeout(std::time::Duration::from_millis(1));
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(Error::from(deadline.check().unwrap_err()).kind(), Kind::DeadlineExceeded);

    let cancelled = Context::root().child();
    cancelled.cancel("no more");
    let error = Error::from(cancelled.check().unwrap_err());
    assert_eq!(error.kind(), Kind::Cancelled);
    assert_eq!(error.find::<linchpin::context::Ended>().unwrap().to_string(), "ended: no more");
}

#[test]
fn every_kind_has_one_http_status() {
    let rows = [
        (Kind::Aborted, 409),
        (Kind::AlreadyExists, 409),
        (Kind::Cancelled, 499),
        (Kind::DataLoss, 500),
        (Kind::DeadlineExceeded, 504),
        (Kind::FailedPrecondition, 400),
        (Kind::Internal, 500),
        (Kind::InvalidArgument, 400),
        (Kind::NotFound, 404),
        (Kind::OutOfRange, 400),
        (Kind::PermissionDenied, 403),
        (Kind::ResourceExhausted, 429),
        (Kind::Unauthenticated, 401),
        (Kind::Unavailable, 503),
        (Kind::Unimplemented, 501),
        (Kind::Unknown, 500),
    ];
    for (kind, status) in rows {
        assert_eq!(kind.http_status(), status, "{kind}");
    }
}
