//! Joined errors: what the whole is, how it is searched, and how it is printed.

use std::error::Error as StdError;

use linchpin::{Error, Kind};

use crate::error_support::{Closed, Exhausted, Row, Wrapped};

fn error(kind: Kind, text: &'static str) -> Error {
    Error::new(kind, text)
}

fn join(errors: impl IntoIterator<Item = Error>) -> Error {
    Error::join(errors).expect("at least one")
}

#[test]
fn a_join_of_nothing_is_none_and_of_one_that_one() {
    assert!(Error::join([]).is_none());
    let one = join([error(Kind::NotFound, "alone").context("load")]);
    assert_eq!((one.kind(), one.to_string().as_str()), (Kind::NotFound, "load"));
    assert!(one.joined().is_empty());
}

#[test]
fn the_most_severe_kind_stands_for_all() {
    let same = join([error(Kind::NotFound, "a"), error(Kind::NotFound, "b")]);
    assert_eq!(same.kind(), Kind::NotFound);
    for order in [[0, 1, 2], [2, 1, 0]] {
        let kinds = [Kind::Cancelled, Kind::InvalidArgument, Kind::Unavailable];
        let all = join(order.map(|index| error(kinds[index], "x")));
        assert_eq!(all.kind(), Kind::Unavailable);
    }
}

#[test]
fn a_client_reads_the_first_text_of_the_kind_of_the_whole() {
    let ours = || error(Kind::Unavailable, "disk 3 is full");
    let theirs = error(Kind::InvalidArgument, "x").with_public("no name");
    assert_eq!(join([theirs.clone(), ours()]).public(), Kind::Unavailable.text());

    let told = [ours(), ours().with_public("first").context("save"), ours().with_public("second")];
    let all = join([theirs].into_iter().chain(told));
    assert_eq!(all.public(), "first");
    let all = all.context("save all");
    assert_eq!(all.public(), "first");
    assert_eq!(all.with_public("mine").public(), "mine");
}

#[test]
fn joins_in_a_join_become_one_list_unless_they_have_a_text_of_their_own() {
    let pair = || join([error(Kind::Internal, "a"), error(Kind::NotFound, "b")]);
    let texts = |error: &Error| error.joined().iter().map(Error::to_string).collect::<Vec<_>>();

    let flat = join([pair(), error(Kind::Aborted, "c"), pair()]);
    assert_eq!(texts(&flat), ["a", "b", "c", "a", "b"]);

    let nested = join([pair().context("both"), pair().with_public("two things")]);
    assert_eq!(texts(&nested), ["both", "a; b"]);
    assert_eq!(nested.public(), "two things");
}

#[test]
fn a_join_collected_one_by_one_is_as_flat() {
    let mut all: Option<Error> = None;
    for n in 0..1_000 {
        all = Error::join(all.into_iter().chain([Error::new(Kind::Internal, Row(n))]));
    }
    let all = all.unwrap();
    assert_eq!(all.joined().len(), 1_000);
    assert!(all.is(&Row(999)) && !all.is(&Row(1_000)));
}

#[test]
fn the_text_is_that_of_all_on_one_line_and_there_is_no_source() {
    let all = join([error(Kind::Internal, "a").context("first"), error(Kind::Internal, "b")]);
    assert_eq!(all.to_string(), "first; b");
    assert!(all.source().is_none());
    let outer = all.context("both");
    assert_eq!(outer.to_string(), "both");
    assert_eq!(outer.source().unwrap().to_string(), "first; b");
    assert_eq!(outer.joined().len(), 2);
}

#[test]
fn the_report_is_a_tree_with_a_line_a_cause() {
    let disk = Error::new(Kind::Unavailable, Exhausted).context("sync").context("write the log");
    let pair = join([error(Kind::NotFound, "no file").context("read a"), Exhausted.into()]);
    let inner = Error::new(Kind::Internal, Wrapped(pair)).context("read all");
    let all = join([disk, inner, error(Kind::Internal, "two\nlines")]);
    let expected = "\
3 errors
  1. write the log
    caused by: sync
    caused by: the pool is exhausted
  2. read all
    caused by: a foreign layer
    caused by: 2 errors
      1. read a
        caused by: no file
      2. the pool is exhausted
  3. two
    lines";
    assert_eq!(all.report().to_string(), expected);

    let shifted = expected.replace('\n', "\n  ");
    let outer = all.context("shut down");
    assert_eq!(outer.report().to_string(), format!("shut down\n  caused by: {shifted}"));
    assert_eq!(format!("{outer:?}"), format!("internal: {}", outer.report()));
}

#[test]
fn every_branch_is_searched_in_order_and_depth_first() {
    let first = Error::new(Kind::Internal, Wrapped(Row(1))).context("first");
    let deep = join([Error::new(Kind::Internal, Row(2)), Exhausted.into()]).context("deep");
    let all = join([deep.context("second"), first]);
    assert_eq!(all.find::<Row>(), Some(&Row(2)));
    for found in [Row(1), Row(2)] {
        assert!(all.is(&found));
    }
    assert!(all.is(&Exhausted));
    assert!(!all.is(&Closed) && !all.is(&Row(3)));
}
