//! The rows of Go's `TestCause`: who ends first gives the cause.

use std::time::Duration;

use linchpin::Context;
use linchpin::context::{Cause, Child};

use super::{VERY_LONG, cause, is_done};

const CANCELLED: &str = "cancelled";
const DEADLINE: &str = "the deadline has passed";

fn assert_cause(context: &Context, expected: &str) {
    assert_eq!(cause(context).as_deref(), Some(expected));
    assert!(is_done(context) && context.check().is_err());
}

fn assert_live(context: &Context) {
    assert_eq!(cause(context), None);
    assert!(!is_done(context) && context.check().is_ok());
}

/// A context that can be ended, and a child of it that can be ended.
fn two() -> (Child, Child) {
    let parent = Context::root().child();
    let child = parent.child();
    (parent, child)
}

#[test]
fn a_root_has_no_cause() {
    assert_live(&Context::root());
}

#[test]
fn a_plain_cancellation_is_its_own_cause() {
    let context = Context::root().child();
    context.cancel(Cause::Cancelled);
    assert_cause(&context, CANCELLED);
}

#[test]
fn a_cancellation_gives_its_cause() {
    let context = Context::root().child();
    context.cancel("parent");
    assert_cause(&context, "parent");
}

#[test]
fn the_cause_of_a_parent_that_ends_before_its_child_stays() {
    let (parent, child) = two();
    parent.cancel("parent");
    child.cancel("child");
    assert_cause(&child, "parent");
}

#[test]
fn the_cause_of_a_child_that_ends_before_its_parent_stays() {
    let (parent, child) = two();
    child.cancel("child");
    parent.cancel("parent");
    assert_cause(&child, "child");
}

#[test]
fn the_cause_of_a_parent_stays_before_a_plain_cancellation_of_its_child() {
    let (parent, child) = two();
    parent.cancel("parent");
    child.cancel(Cause::Cancelled);
    assert_cause(&child, "parent");
}

#[test]
fn a_plain_cancellation_of_a_child_stays_before_the_cause_of_its_parent() {
    let (parent, child) = two();
    child.cancel(Cause::Cancelled);
    parent.cancel("parent");
    assert_cause(&child, CANCELLED);
}

#[test]
fn a_plain_cancellation_of_a_parent_stays_before_the_cause_of_its_child() {
    let (parent, child) = two();
    parent.cancel(Cause::Cancelled);
    child.cancel("child");
    assert_cause(&child, CANCELLED);
}

#[test]
fn the_cause_of_a_child_stays_before_a_plain_cancellation_of_its_parent() {
    let (parent, child) = two();
    child.cancel("child");
    parent.cancel(Cause::Cancelled);
    assert_cause(&child, "child");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_stays_before_a_cancellation() {
    let context = Context::root().with_timeout(Duration::ZERO);
    context.cancel(Cause::Cancelled);
    assert_cause(&context, DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_that_has_not_passed_can_be_cancelled() {
    let context = Context::root().with_timeout(VERY_LONG);
    context.cancel(Cause::Cancelled);
    assert_cause(&context, CANCELLED);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_stays_before_a_cancellation_of_the_parent() {
    let parent = Context::root().child();
    let child = parent.with_timeout(Duration::ZERO);
    parent.cancel("finished early");
    assert_cause(&child, DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_of_the_parent_stays_before_a_deadline() {
    let parent = Context::root().child();
    let child = parent.with_timeout(VERY_LONG);
    parent.cancel("finished early");
    tokio::time::advance(2 * VERY_LONG).await;
    assert_cause(&child, "finished early");
}

#[test]
fn a_detached_root_is_live() {
    assert_live(&Context::root().detached());
}

#[test]
fn a_detached_context_does_not_end_with_where_it_came_from() {
    let context = Context::root().child();
    let detached = context.detached();
    context.cancel("finished early");
    assert_live(&detached);
}

#[tokio::test(start_paused = true)]
async fn a_detached_context_has_not_the_deadline_of_where_it_came_from() {
    let context = Context::root().with_timeout(Duration::ZERO);
    let detached = context.detached();
    assert_cause(&context, DEADLINE);
    assert_live(&detached);
}
