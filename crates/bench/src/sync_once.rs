//! Rows `once*`: a value that is made once, read and made.
//!
//! Ours asks its context before it makes the value, waits in line with threads and tasks, and makes another attempt after a
//! panic; std's is for threads alone and cannot fail. What Go's costs is measured in its own program.

use std::hint::black_box;
use std::sync::OnceLock;

use linchpin::Context;
use linchpin::sync::once::{Once, Renewable};

use crate::go::Program;
use crate::harness::Operation;
use crate::row::Role::{Ours, Peer};

const LINCHPIN: &str = "linchpin";
const STD: &str = "std OnceLock";
const TOKIO: &str = "tokio OnceCell";
const ASYNC_LOCK: &str = "async-lock OnceCell";

/// A loop over a `sync.OnceValue`, or over new ones.
const PROGRAM: &str = r#"
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

var sum, one int = 0, 1

func main() {
	operations, _ := strconv.Atoi(os.Args[2])
	began := time.Now()
	if os.Args[1] == "read" {
		value := sync.OnceValue(func() int { return one })
		for range operations {
			sum += value()
		}
	} else {
		for range operations {
			var once sync.Once
			once.Do(func() { sum += one })
		}
	}
	fmt.Println(time.Since(began).Nanoseconds())
}
"#;

/// Every row of values that are made once.
pub fn operations() -> Vec<Operation> {
    let go = Program::build(PROGRAM);
    let beside = |operation, name, what: &str| go.beside(operation, name, &[&what]);
    let read = Operation::new("once-read")
        .sync(Ours, LINCHPIN, read_ours())
        .sync(Peer, STD, read_std())
        .sync(Peer, "tokio OnceCell, get", read_tokio());
    let made = Operation::new("once-make")
        .sync(Ours, LINCHPIN, || *black_box(&Once::new()).get_or_init(|| black_box(1)))
        .sync(Peer, STD, || *black_box(&OnceLock::new()).get_or_init(|| black_box(1)));
    vec![
        beside(read, "Go, sync.OnceValue", "read"),
        Operation::new("once-load")
            .ct(Ours, LINCHPIN, |operations| async move {
                let (ctx, once) = (Context::root().child(), Once::new());
                for _ in 0..operations {
                    black_box(black_box(&once).get_or_load(&ctx, made_now).await).ok();
                }
            })
            .ct(Peer, TOKIO, |operations| async move {
                let once = tokio::sync::OnceCell::new();
                for _ in 0..operations {
                    black_box(black_box(&once).get_or_try_init(made_now).await).ok();
                }
            })
            .ct(Peer, ASYNC_LOCK, |operations| async move {
                let once = async_lock::OnceCell::new();
                for _ in 0..operations {
                    black_box(black_box(&once).get_or_try_init(made_now).await).ok();
                }
            })
            .ct(Ours, "linchpin Renewable", |operations| async move {
                let (ctx, cell) = (Context::root().child(), Renewable::new());
                for _ in 0..operations {
                    black_box(black_box(&cell).get_or_load(&ctx, made_now).await).ok();
                }
            }),
        beside(made, "Go, sync.Once", "make"),
        Operation::new("once-make-async")
            .ct(Ours, LINCHPIN, |operations| async move {
                let ctx = Context::root().child();
                for _ in 0..operations {
                    black_box(black_box(&Once::new()).get_or_load(&ctx, made_now).await).ok();
                }
            })
            .ct(Peer, TOKIO, |operations| async move {
                for _ in 0..operations {
                    let once = tokio::sync::OnceCell::new();
                    black_box(black_box(&once).get_or_try_init(made_now).await).ok();
                }
            })
            .ct(Peer, ASYNC_LOCK, |operations| async move {
                for _ in 0..operations {
                    let once = async_lock::OnceCell::new();
                    black_box(black_box(&once).get_or_try_init(made_now).await).ok();
                }
            }),
    ]
}

async fn made_now() -> Result<u32, ()> {
    Ok(black_box(1))
}

fn read_ours() -> impl FnMut() -> u32 {
    let once = Once::from(1);
    move || *black_box(&once).get_or_init(|| 2)
}

fn read_std() -> impl FnMut() -> u32 {
    let once = OnceLock::from(1);
    move || *black_box(&once).get_or_init(|| 2)
}

fn read_tokio() -> impl FnMut() -> u32 {
    let once = tokio::sync::OnceCell::from(1);
    move || *black_box(&once).get().expect("it is there")
}
