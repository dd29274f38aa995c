//! Go's side.

use super::Load;
use crate::go::Program;
use crate::harness::Operation;

/// The program.
pub(super) struct Go(Program);

/// The same loop over a `sync.Map`.
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
	reads, _ := strconv.ParseUint(os.Args[2], 10, 64)
	keys, _ := strconv.ParseUint(os.Args[3], 10, 64)
	operations, _ := strconv.Atoi(os.Args[4])
	runtime.GOMAXPROCS(threads)
	var m sync.Map
	for key := uint64(0); key < keys; key += 2 {
		m.Store(key, key)
	}
	each := (operations + threads - 1) / threads
	var start, done sync.WaitGroup
	start.Add(1)
	for thread := range threads {
		done.Go(func() {
			chance := uint64(thread+1)*0x9e3779b97f4a7c15 | 1
			start.Wait()
			for range each {
				chance ^= chance << 13
				chance ^= chance >> 7
				chance ^= chance << 17
				key := (chance >> 40) % keys
				if (chance&0xffff)*100 < reads<<16 {
					m.Load(key)
				} else if chance&0x10000 == 0 {
					m.Store(key, chance)
				} else {
					m.Delete(key)
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

impl Go {
    pub(super) fn build() -> Self {
        Self(Program::build(PROGRAM))
    }

    /// Adds `sync.Map` to `operation`, where there is Go.
    pub(super) fn beside(&self, operation: Operation, load: Load, threads: usize) -> Operation {
        self.0.beside(operation, "Go, sync.Map", &[&threads, &load.reads, &load.keys])
    }
}
