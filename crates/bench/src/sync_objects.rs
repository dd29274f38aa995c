//! Rows `object-pool*`: a buffer of 4 KiB is taken, a byte is written to it, and it is given back.
//!
//! With `-16`, sixteen are taken before the first is given back, and the figure is for each. Ours counts what is out and
//! caps what is kept, which no peer does. The buffers of `opool`'s `LocalPool` cannot leave their thread.
//!
//! Rows `object-pool-body*`: a request body that comes in pieces of 16 KiB is put together in one, and dropped.

use std::convert::Infallible;
use std::hint::black_box;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use linchpin::sync::object_pool::{BufferOptions, BufferPool, ObjectPool, Options};
use lockfree_object_pool::{LinearObjectPool, MutexObjectPool, SpinLockObjectPool};

use crate::go::Program;
use crate::harness::{Operation, contend};
use crate::row::Role::{Ours, Peer};

const BYTES: usize = 4096;
/// As many as a peer that has to be told a number is told.
const MOST: usize = 256;

/// Every row of pools.
pub fn operations() -> Vec<Operation> {
    let go = Program::build(PROGRAM);
    let row = |name, threads, at_once| {
        go.beside(operation(name, threads, at_once), "Go, sync.Pool", &[&threads, &at_once])
    };
    vec![
        row("object-pool", 1, 1),
        row("object-pool-t2", 2, 1),
        row("object-pool-t8", 8, 1),
        row("object-pool-16", 1, 16),
        row("object-pool-16-t2", 2, 16),
        body("object-pool-body-64k", 4),
        body("object-pool-body-1m", 64),
    ]
}

/// A body of so many pieces.
fn body(name: &'static str, pieces: usize) -> Operation {
    static PIECE: [u8; 16 << 10] = [b' '; 16 << 10];
    let all = pieces * PIECE.len();
    let pieces = move || std::iter::repeat_n(Bytes::from_static(&PIECE), pieces);
    Operation::new(name)
        .ct(Ours, "linchpin, BufferPool", move |operations| async move {
            let options = BufferOptions::default().sizes(8 << 10, 1 << 20);
            let pool = BufferPool::new(options).expect("two powers of two");
            for _ in 0..operations {
                let mut whole = pool.take_owned(all);
                pieces().for_each(|piece| whole.extend_from_slice(&piece));
                black_box(Bytes::from_owner(whole));
            }
        })
        .ct(Peer, "allocated", move |operations| async move {
            for _ in 0..operations {
                let mut whole = Vec::with_capacity(all);
                pieces().for_each(|piece| whole.extend_from_slice(&piece));
                black_box(Bytes::from(whole));
            }
        })
        .ct(Peer, "http-body-util, collected", move |operations| async move {
            for _ in 0..operations {
                let frames = pieces().map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
                let body = StreamBody::new(stream::iter(frames));
                black_box(body.collect().await.expect("it cannot fail").to_bytes());
            }
        })
}

fn operation(name: &'static str, threads: usize, at_once: usize) -> Operation {
    let mut operation = Operation::new(name);
    // The one macro keeps what is measured the same: how a buffer is had is all that differs.
    macro_rules! subject {
        ($role:expr, $name:expr, $pool:expr, |$own:ident| $take:expr) => {
            let pool = $pool;
            operation = operation.timed($role, $name, move |operations| {
                let rounds = operations.div_ceil(at_once as u64);
                contend(threads, rounds, &|| {
                    let $own = black_box(&pool);
                    if at_once == 1 {
                        let mut buffer = $take;
                        buffer.push(1);
                        black_box(&*buffer);
                    } else {
                        let mut buffers: [_; 16] = std::array::from_fn(|_| $take);
                        for buffer in &mut buffers {
                            buffer.push(1);
                        }
                        black_box(&buffers);
                    }
                })
            });
        };
    }
    let buffer = || Vec::<u8>::with_capacity(BYTES);
    subject!(
        Ours,
        "linchpin, BufferPool",
        BufferPool::new(BufferOptions::default()).expect("a default"),
        |pool| pool.take(BYTES)
    );
    subject!(
        Ours,
        "linchpin, ObjectPool",
        ObjectPool::new(buffer, Options::default().reset(Vec::clear)).expect("a default"),
        |pool| pool.take()
    );
    subject!(Peer, "allocated", (), |_pool| black_box(buffer()));
    subject!(Peer, "object-pool", object_pool::Pool::new(MOST, buffer), |pool| {
        let mut buffer = pool.pull(buffer);
        buffer.clear();
        buffer
    });
    subject!(
        Peer,
        "lockfree-object-pool, linear",
        LinearObjectPool::new(buffer, Vec::clear),
        |pool| pool.pull()
    );
    subject!(
        Peer,
        "lockfree-object-pool, spin lock",
        SpinLockObjectPool::new(buffer, Vec::clear),
        |pool| pool.pull()
    );
    subject!(
        Peer,
        "lockfree-object-pool, mutex",
        MutexObjectPool::new(buffer, Vec::clear),
        |pool| pool.pull()
    );
    subject!(Peer, "opool", opool::Pool::new_prefilled(MOST, Buffers), |pool| pool.get());
    if threads == 1 {
        let pool = opool::LocalPool::new_prefilled(MOST, Buffers);
        operation = operation.timed(Peer, "opool, LocalPool", move |operations| {
            let began = linchpin::time::Instant::now();
            for _ in 0..operations.div_ceil(at_once as u64) {
                if at_once == 1 {
                    let mut buffer = black_box(&pool).get();
                    buffer.push(1);
                    black_box(&*buffer);
                } else {
                    let mut buffers: [_; 16] = std::array::from_fn(|_| black_box(&pool).get());
                    for buffer in &mut buffers {
                        buffer.push(1);
                    }
                    black_box(&buffers);
                }
            }
            began.elapsed()
        });
    }
    operation
}

struct Buffers;

impl opool::PoolAllocator<Vec<u8>> for Buffers {
    fn allocate(&self) -> Vec<u8> {
        Vec::with_capacity(BYTES)
    }

    fn reset(&self, buffer: &mut Vec<u8>) {
        buffer.clear();
    }
}

const PROGRAM: &str = r#"
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

func main() {
	threads, _ := strconv.Atoi(os.Args[1])
	atOnce, _ := strconv.Atoi(os.Args[2])
	operations, _ := strconv.Atoi(os.Args[3])
	runtime.GOMAXPROCS(threads)
	pool := sync.Pool{New: func() any {
		buffer := make([]byte, 0, 4096)
		return &buffer
	}}
	each := (operations/atOnce + threads - 1) / threads
	var start, done sync.WaitGroup
	start.Add(1)
	for range threads {
		done.Go(func() {
			held := make([]*[]byte, atOnce)
			start.Wait()
			for range each {
				for i := range held {
					buffer := pool.Get().(*[]byte)
					*buffer = append((*buffer)[:0], 1)
					held[i] = buffer
				}
				for _, buffer := range held {
					pool.Put(buffer)
				}
			}
		})
	}
	began := time.Now()
	start.Done()
	done.Wait()
	fmt.Println(time.Since(began).Nanoseconds())
}
"#;
