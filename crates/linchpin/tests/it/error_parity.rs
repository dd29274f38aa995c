//! Go's own test cases of package `errors`, as far as they have a meaning here. The table is in the guide, chapter E3.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use linchpin::{Error, Kind};

use crate::error_support::{Closed, Exhausted, Row, Wrapped};

/// An error that says it equals every other of its type, as Go's `Is` methods do.
#[derive(Debug)]
struct Uncomparable(#[expect(dead_code, reason = "it must not matter")] Vec<String>);

impl PartialEq for Uncomparable {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Display for Uncomparable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("uncomparable")
    }
}

impl StdError for Uncomparable {}

/// A wrapper that can be compared itself.
#[derive(Debug, PartialEq)]
struct Numbered(u32, Exhausted);

impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrap {}", self.0)
    }
}

impl StdError for Numbered {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.1)
    }
}

fn ours(error: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(Kind::Internal, error)
}

fn join<const N: usize>(errors: [Error; N]) -> Error {
    Error::join(errors).expect("at least one")
}

fn open_a_file_that_is_not_there() -> io::Error {
    std::fs::File::open("/no/such/file").unwrap_err()
}

#[test]
fn an_error_of_a_text_shows_that_text() {
    assert_eq!(Error::new(Kind::Internal, "abc").to_string(), "abc");
}

#[test]
fn sentinels_are_equal_by_value_and_not_by_address() {
    assert_eq!(Exhausted, Exhausted);
    assert!(ours(Row(1)).is(&Row(1)));
    assert!(!ours(Row(1)).is(&Row(2)));
}

#[test]
fn is_finds_the_error_itself_and_what_it_wraps() {
    for error in [
        ours(Exhausted),
        ours(Wrapped(Exhausted)),
        ours(Wrapped(Wrapped(Exhausted))),
        ours(Exhausted).context("wrap 2").context("wrap 3"),
    ] {
        assert!(error.is(&Exhausted));
        assert!(!error.is(&Closed), "what is not there is not found");
    }
}

#[test]
fn is_asks_the_types_own_equality() {
    let error = ours(Uncomparable(vec!["f".to_owned()]));
    assert!(error.is(&Uncomparable(Vec::new())));
    assert!(!error.is(&Exhausted));
    assert!(!ours(Exhausted).is(&Uncomparable(Vec::new())));
}

#[test]
fn is_searches_every_branch_of_a_join() {
    let wrapped = || ours(Numbered(3, Exhausted));
    for error in [
        join([ours(Exhausted), ours(Closed)]),
        join([ours(Closed), ours(Exhausted)]),
        join([ours(Closed), wrapped()]),
        join([wrapped(), ours(Closed)]),
    ] {
        assert!(error.is(&Exhausted) && error.is(&Closed));
        assert!(!error.is(&Row(0)));
    }
    assert!(join([ours(Closed), wrapped()]).is(&Numbered(3, Exhausted)), "the wrapper, too");
    assert!(!join([ours(Closed), wrapped()]).is(&Numbered(4, Exhausted)));
}

#[test]
fn find_gives_the_value_of_the_wrapped_type() {
    assert_eq!(ours(Wrapped(Row(7))).find::<Row>(), Some(&Row(7)));
    assert_eq!(ours(Row(7)).find::<Row>(), Some(&Row(7)), "the error itself");
    let missing = ours(open_a_file_that_is_not_there()).context("path error");
    assert_eq!(missing.find::<io::Error>().unwrap().kind(), io::ErrorKind::NotFound);
}

#[test]
fn find_is_none_for_another_type() {
    assert!(ours(Row(7)).find::<io::Error>().is_none());
    assert!(ours(Wrapped(Exhausted)).find::<Row>().is_none());
    assert!(Error::new(Kind::Internal, "err").find::<Row>().is_none());
}

#[test]
fn find_takes_the_first_of_a_join_depth_first() {
    let text = || Error::new(Kind::Internal, "a");
    for (error, found) in [
        (join([text(), ours(Row(1))]), 1),
        (join([ours(Row(1)), text()]), 1),
        (join([ours(Row(1)), ours(Row(2))]), 1),
        (join([join([text(), ours(Row(1))]).context("nested"), ours(Row(2))]), 1),
        (join([ours(Wrapped(Row(1))), ours(Row(2))]), 1),
    ] {
        assert_eq!(error.find::<Row>(), Some(&Row(found)));
    }
    let missing = ours(Wrapped(open_a_file_that_is_not_there()));
    assert!(join([text(), missing]).find::<io::Error>().is_some());
}

#[test]
fn the_source_is_the_next_text_and_none_at_the_end() {
    assert!(ours(Exhausted).source().is_none());
    let once = ours(Exhausted).context("wrap 2");
    assert_eq!(once.source().unwrap().to_string(), "the pool is exhausted");
    let twice = once.context("wrap 3");
    assert_eq!(twice.source().unwrap().to_string(), "wrap 2");
}

#[test]
fn the_source_of_a_join_is_none() {
    assert!(join([ours(Exhausted), ours(Closed)]).source().is_none());
}

#[test]
fn a_join_of_nothing_is_none() {
    assert!(Error::join([]).is_none());
    assert!(Error::join([None, None].into_iter().flatten()).is_none());
}

#[test]
fn joined_gives_the_errors_in_order() {
    let error = join([ours(Exhausted), ours(Closed)]);
    let texts: Vec<String> = error.joined().iter().map(Error::to_string).collect();
    assert_eq!(texts, ["the pool is exhausted", "closed"]);
    let some = [Some(ours(Exhausted)), None, Some(ours(Closed))];
    assert_eq!(Error::join(some.into_iter().flatten()).unwrap().joined().len(), 2);
}

#[test]
fn a_join_of_one_is_that_error() {
    let one = join([ours(Exhausted)]);
    assert!(one.joined().is_empty());
    assert_eq!(one.to_string(), "the pool is exhausted");
}

#[test]
fn a_join_shows_all_texts_on_one_line() {
    assert_eq!(join([ours(Exhausted), ours(Closed)]).to_string(), "the pool is exhausted; closed");
}
