//! Area `context`: [`linchpin::Context`] beside the cancellation token of tokio-util.
//!
//! The token has no deadline and no cause; where ours does more, the row says so. Go's figures were
//! recorded in November 2026 on a machine like the one this was written on, not in this run.

use std::future::ready;
use std::hint::black_box;
use std::time::Duration;

use linchpin::Context;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::context_tree;
use crate::harness::Operation;
use crate::row::Role::{Ours, Peer};

const HOUR: Duration = Duration::from_hours(1);
const CONTEXT: &str = "linchpin";
const TOKEN: &str = "tokio-util";

/// Every row that the harness measures.
pub fn operations() -> Vec<Operation> {
    let mut all = vec![
        Operation::new("context-check")
            .sync(Ours, CONTEXT, checked())
            .sync(Peer, TOKEN, token_checked())
            .recorded("Go ctx.Err()", 1.84),
        Operation::new("context-check-t2")
            .threads(2, Ours, CONTEXT, checked())
            .threads(2, Peer, TOKEN, token_checked())
            .recorded("Go ctx.Err()", 0.83),
        Operation::new("context-check-t8").threads(8, Ours, CONTEXT, checked()).threads(
            8,
            Peer,
            TOKEN,
            token_checked(),
        ),
        Operation::new("context-check-deadline")
            .sync(Ours, CONTEXT, {
                let child = Context::root().with_timeout(HOUR);
                move || black_box(&child).check().is_ok()
            })
            .sync(Peer, "tokio-util, then tokio's clock", {
                let (token, deadline) = (CancellationToken::new(), Instant::now() + HOUR);
                move || !black_box(&token).is_cancelled() && Instant::now() < deadline
            }),
        Operation::new("context-child")
            .sync(Ours, CONTEXT, derived())
            .sync(Peer, TOKEN, token_derived())
            .recorded("Go context.WithCancel", 208.0),
        Operation::new("context-child-t2")
            .threads(2, Ours, CONTEXT, derived())
            .threads(2, Peer, TOKEN, token_derived())
            .recorded("Go context.WithCancel", 327.0),
        Operation::new("context-child-t8").threads(8, Ours, CONTEXT, derived()).threads(
            8,
            Peer,
            TOKEN,
            token_derived(),
        ),
        Operation::new("context-root")
            .sync(Ours, "linchpin (nobody can end it)", Context::root)
            .sync(Ours, "linchpin, with a child to end", || Context::root().child())
            .sync(Peer, TOKEN, CancellationToken::new)
            .recorded("Go context.WithCancel", 114.0),
    ];
    all.extend(in_a_runtime());
    all.extend(context_tree::operations());
    all
}

fn in_a_runtime() -> [Operation; 2] {
    [
        Operation::new("context-run-ct")
            .ct(Ours, CONTEXT, |operations| async move {
                let child = Context::root().child();
                for _ in 0..operations {
                    drop(black_box(child.run(ready(black_box(1))).await));
                }
            })
            .ct(Peer, TOKEN, |operations| async move {
                let token = CancellationToken::new();
                for _ in 0..operations {
                    black_box(token.run_until_cancelled(ready(black_box(1))).await);
                }
            }),
        Operation::new("context-timeout-ct")
            .ct(Ours, CONTEXT, |operations| async move {
                let parent = Context::root().child();
                for _ in 0..operations {
                    drop(black_box(parent.with_timeout(black_box(HOUR))));
                }
            })
            .ct(Peer, "tokio-util and a tokio sleep", |operations| async move {
                let parent = CancellationToken::new();
                for _ in 0..operations {
                    drop(black_box((parent.child_token(), sleep(black_box(HOUR)))));
                }
            })
            .recorded("Go context.WithTimeout", 457.0),
    ]
}

/// A child of a root, which is what a request holds: two levels to look at.
fn checked() -> impl Fn() -> bool + Sync {
    let child = Context::root().child();
    move || black_box(&child).is_cancelled()
}

fn token_checked() -> impl Fn() -> bool + Sync {
    let token = CancellationToken::new().child_token();
    move || black_box(&token).is_cancelled()
}

fn derived() -> impl Fn() -> linchpin::context::Child + Sync {
    let parent = Context::root().child();
    move || black_box(&parent).child()
}

fn token_derived() -> impl Fn() -> CancellationToken + Sync {
    let parent = CancellationToken::new();
    move || black_box(&parent).child_token()
}
