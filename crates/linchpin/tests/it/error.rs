//! Error: kind, chain, what a log gets and what a client may read.

use std::fmt;

use linchpin::context::Ended;
use linchpin::error::ResultExt as _;
use linchpin::{Context, Error, Kind};

use crate::error_support::{Exhausted, Wrapped};

// The `Err` side of hot results is one pointer, and so are results that carry nothing.
const _: () = {
    const POINTER: usize = size_of::<usize>();
    assert!(size_of::<Error>() == POINTER);
    assert!(size_of::<Option<Error>>() == POINTER);
    assert!(size_of::<linchpin::Result<()>>() == POINTER);
    assert!(size_of::<linchpin::Result<Box<u8>>>() <= 2 * POINTER);
    assert!(size_of::<Ended>() == POINTER);
    assert!(size_of::<Result<(), Ended>>() == POINTER);
};

/// An error that shows the text of its cause behind its own, as many do.
#[derive(Debug)]
struct Chatty(Exhausted);

impl fmt::Display for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chatty: {}", self.0)
    }
}

impl std::error::Error for Chatty {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn report(error: &Error) -> String {
    error.report().to_string()
}

#[test]
fn context_keeps_the_kind_and_the_report_has_a_line_a_cause() {
    let error = Error::new(Kind::Unavailable, Exhausted)
        .context("borrow a connection")
        .context("load invoice");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.to_string(), "load invoice");
    assert_eq!(
        report(&error),
        "load invoice\n  caused by: borrow a connection\n  caused by: the pool is exhausted"
    );
    assert_eq!(format!("{error:?}"), format!("unavailable: {}", report(&error)));
}

#[test]
fn a_text_is_never_reported_twice() {
    let error = Error::new(Kind::Internal, Exhausted).with_public("busy").context("borrow");
    assert_eq!(report(&error), "borrow\n  caused by: the pool is exhausted");
    let told = error.clone().with_public("later");
    assert_eq!(report(&told), report(&error));

    let error = Error::new(Kind::Internal, Chatty(Exhausted)).context("borrow");
    assert_eq!(report(&error), "borrow\n  caused by: chatty: the pool is exhausted");
    assert!(error.is(&Exhausted), "what is not printed is there all the same");

    // Half a word is no repetition.
    let error = Error::new(Kind::Internal, "ion").context("borrow a connection");
    assert_eq!(report(&error), "borrow a connection\n  caused by: ion");
}

#[test]
fn a_text_of_several_lines_stays_within_its_margin() {
    let error = Error::new(Kind::InvalidArgument, "line 1:\nno such key\n").context("read a file");
    assert_eq!(report(&error), "read a file\n  caused by: line 1:\n    no such key");
}

#[test]
fn clients_read_the_outermost_public_text_or_the_kinds_own() {
    let bare = Error::new(Kind::NotFound, "row 7 of table invoices is missing");
    assert_eq!(bare.public(), "not found");
    let told = bare.with_public("no such invoice").context("load invoice");
    assert_eq!(told.public(), "no such invoice");
    let shared = told.clone().with_public("gone");
    assert_eq!((shared.public(), told.public()), ("gone", "no such invoice"));
    assert_eq!((shared.kind(), shared.to_string()), (Kind::NotFound, told.to_string()));
}

#[test]
fn a_new_kind_takes_no_public_text_over() {
    let inner = Error::new(Kind::NotFound, Exhausted).with_public("no such invoice");
    let outer = Error::new(Kind::Internal, inner);
    assert_eq!((outer.kind(), outer.public()), (Kind::Internal, Kind::Internal.text()));
    assert!(outer.is(&Exhausted));
    assert_eq!(report(&outer), "the pool is exhausted");
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
    assert_eq!(error.find::<Ended>().unwrap().to_string(), "ended: no more");
}

/// Far more layers than a thread's stack could be walked through by recursion.
#[test]
fn a_very_long_chain_is_searched_shown_and_dropped() {
    let mut error = Error::new(Kind::Internal, Wrapped(Error::new(Kind::NotFound, Exhausted)));
    let mut clones = Vec::new();
    for _ in 0..100_000 {
        clones.push(error.clone());
        error = error.with_public("busy");
    }
    drop(clones);
    for n in 0..100_000 {
        error = error.context(format!("layer {n}"));
    }
    assert!(error.is(&Exhausted));
    assert_eq!(error.public(), "busy");
    assert_eq!(report(&error).lines().count(), 100_002);
}

/// Kind, HTTP status, and the number that gRPC's `status.proto` documentation gives it.
const KINDS: [(Kind, u16, i32); 16] = [
    (Kind::Cancelled, 499, 1),
    (Kind::Unknown, 500, 2),
    (Kind::InvalidArgument, 400, 3),
    (Kind::DeadlineExceeded, 504, 4),
    (Kind::NotFound, 404, 5),
    (Kind::AlreadyExists, 409, 6),
    (Kind::PermissionDenied, 403, 7),
    (Kind::ResourceExhausted, 429, 8),
    (Kind::FailedPrecondition, 400, 9),
    (Kind::Aborted, 409, 10),
    (Kind::OutOfRange, 400, 11),
    (Kind::Unimplemented, 501, 12),
    (Kind::Internal, 500, 13),
    (Kind::Unavailable, 503, 14),
    (Kind::DataLoss, 500, 15),
    (Kind::Unauthenticated, 401, 16),
];

#[test]
fn every_kind_has_one_http_status_and_one_grpc_code() {
    for (kind, status, code) in KINDS {
        assert_eq!((kind.http_status(), kind.grpc_code()), (status, code), "{kind}");
    }
}

#[test]
fn of_two_kinds_one_is_the_more_severe_in_either_order() {
    for (one, ..) in KINDS {
        for (other, ..) in KINDS {
            let join = |kinds: [Kind; 2]| {
                Error::join(kinds.map(|kind| Error::new(kind, "x"))).unwrap().kind()
            };
            let kind = join([one, other]);
            assert!(kind == one || kind == other);
            assert_eq!(kind, join([other, one]), "{one} and {other}");
            let (ours, theirs) =
                if one.http_status() >= other.http_status() { (one, other) } else { (other, one) };
            if ours.http_status() >= 500 && theirs.http_status() < 429 {
                assert_eq!(kind, ours, "the caller is not blamed for what is ours");
            }
        }
    }
}
