//! Go's side.

use super::Jobs;
use crate::go::Program;
use crate::harness::Operation;

/// The program.
pub(super) struct Go(Program);

/// Sixty-four goroutines on a channel of 1,024 jobs, a channel for each result. Bare, and with what a pool of Go's
/// libraries does for a job: it recovers, asks the context, counts, and takes the times. Prints how many nanoseconds
/// the jobs took.
const PROGRAM: &str = r#"
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
)

type job struct {
	ctx    context.Context
	since  time.Time
	work   func() int
	result chan int
}

var done, panicked, waited, ran atomic.Int64

func (j job) run() {
	defer func() {
		if recover() != nil {
			panicked.Add(1)
			close(j.result)
		}
	}()
	if j.ctx.Err() != nil {
		close(j.result)
		return
	}
	began := time.Now()
	waited.Add(int64(began.Sub(j.since)))
	result := j.work()
	ran.Add(int64(time.Since(began)))
	done.Add(1)
	j.result <- result
}

func main() {
	yields, counted := os.Args[1] == "yield", os.Args[3] == "pool"
	processors, _ := strconv.Atoi(os.Args[2])
	runtime.GOMAXPROCS(processors)
	jobs, _ := strconv.Atoi(os.Args[4])
	queue := make(chan job, 1024)
	for range 64 {
		go func() {
			for job := range queue {
				if counted {
					job.run()
				} else {
					job.result <- job.work()
				}
			}
		}()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	began := time.Now()
	for left := jobs; left > 0; left -= 1000 {
		results := make([]chan int, 0, 1000)
		for n := range min(left, 1000) {
			work := func() int {
				if yields {
					runtime.Gosched()
				}
				return n
			}
			result := make(chan int, 1)
			if counted {
				queue <- job{ctx, time.Now(), work, result}
			} else {
				queue <- job{work: work, result: result}
			}
			results = append(results, result)
		}
		for _, result := range results {
			<-result
		}
	}
	fmt.Println(time.Since(began).Nanoseconds())
}
"#;

impl Go {
    /// Builds the program.
    pub(super) fn build() -> Self {
        Self(Program::build(PROGRAM))
    }

    /// Adds Go to `operation`: measured where it can be, and in any case the figure that was recorded for conc.
    pub(super) fn beside(&self, operation: Operation, jobs: Jobs, processors: u32) -> Operation {
        let work = if jobs == Jobs::Yield { "yield" } else { "ready" };
        let operation = self.0.beside(
            operation,
            "Go, with recover, context, times",
            &[&work, &processors, &"pool"],
        );
        let operation = self.0.beside(
            operation,
            "Go, bare goroutines on a channel",
            &[&work, &processors, &"bare"],
        );
        operation.recorded("Go, conc", 508.0)
    }
}
