//! Rows `object-pool*`: a buffer of 4 KiB is taken, a byte is written to it, and it is given back.
//!
//! With `-16`, sixteen are taken before the first is given back, and the figure is for each. Ours counts what is out and
//! caps what is kept, which no peer does. The buffers of `opool`'s `LocalPool` cannot leave their thread.

use std::hint::black_box;

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
    ]
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
