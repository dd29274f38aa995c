//! Sentinels: a value that is recognised through whatever was wrapped around it.

use std::error::Error as StdError;

use linchpin::error::{self, ResultExt as _};
use linchpin::resilience::{Failed, FailedKind};
use linchpin::{Error, Kind};

use crate::error_support::{Boxed, Closed, Exhausted, Wrapped};

fn assert_found(error: &Error) {
    assert!(error.is(&Exhausted), "{error:?}");
    assert_eq!(error.find::<Exhausted>(), Some(&Exhausted), "{error:?}");
    assert!(!error.is(&Closed), "{error:?}");
}

#[test]
fn a_sentinel_brings_its_kind_through_the_question_mark() {
    fn borrow() -> linchpin::Result<()> {
        Err(Exhausted)?
    }
    let error = borrow().unwrap_err();
    assert_eq!(error.kind(), Kind::ResourceExhausted);
    assert_found(&error);
    let error = Err::<(), _>(Exhausted).context("borrow").unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (Kind::ResourceExhausted, "borrow".to_owned()));
    assert_found(&error);
}

#[test]
fn a_sentinel_survives_every_way_of_wrapping() {
    let inner = || Error::from(Exhausted).context("inner");
    let boxed: Box<dyn StdError + Send + Sync> = inner().into();
    let boxed_twice: Box<dyn StdError + Send + Sync> = Box::new(Boxed(Box::new(Wrapped(inner()))));
    for error in [
        inner().context("outer").with_public("busy"),
        inner().clone(),
        Error::new(Kind::Internal, inner()),
        Error::new(Kind::Internal, Wrapped(inner())).context("outer"),
        Error::new(Kind::Internal, Wrapped(Wrapped(Exhausted))),
        Error::new(Kind::Internal, Wrapped(Error::new(Kind::Internal, Wrapped(inner())))),
        Error::new(Kind::Internal, boxed).context("outer"),
        Error::new(Kind::Internal, boxed_twice),
        Error::new(Kind::Internal, std::io::Error::other(inner())),
        Error::join([Error::new(Kind::Internal, "another"), inner()]).unwrap().context("outer"),
        Error::new(
            Kind::Internal,
            Wrapped(Error::join([Error::new(Kind::Internal, "another"), inner()]).unwrap()),
        ),
    ] {
        assert_found(&error);
    }
}

#[test]
fn a_sentinel_is_found_in_an_error_of_any_type() {
    let inner = || Error::from(Exhausted).context("inner");
    let plain: Box<dyn StdError> = Box::new(Wrapped(inner()));
    let shared: Box<dyn StdError + Send + Sync> = inner().into();
    for error in [&*plain, &*shared, &Exhausted as &dyn StdError, &inner()] {
        assert!(error::is(error, &Exhausted), "{error:?}");
        assert_eq!(error::find::<Exhausted>(error), Some(&Exhausted), "{error:?}");
        assert!(!error::is(error, &Closed), "{error:?}");
    }
}

#[test]
fn a_sentinel_is_found_behind_a_policy() {
    let failed: Failed<Exhausted> = FailedKind::Callee(Exhausted).into();
    let error = Error::new(Kind::Unavailable, failed).context("call");
    assert_found(&error);
    assert_eq!(error.report().to_string(), "call\n  caused by: the pool is exhausted");
}
