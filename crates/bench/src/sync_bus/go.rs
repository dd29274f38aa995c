//! Go's side.

use crate::go::Program;
use crate::harness::Operation;

/// The program.
pub(super) struct Go(Program);

/// A channel for each subscriber, sent to under a lock for reading, as code in Go has it. One processor, as one thread
/// does all the rest here. Bursts are received one by one by the publisher's own goroutine; or each subscriber is a
/// goroutine, which waits for each message, and the publisher for all of them. Prints how many nanoseconds the
/// deliveries took.
const PROGRAM: &str = r#"
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

type bus struct {
	mu   sync.RWMutex
	subs map[string][]chan uint64
}

func (b *bus) subscribe(topic string) chan uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	ch := make(chan uint64, 128)
	b.subs[topic] = append(b.subs[topic], ch)
	return ch
}

func (b *bus) publish(topic string, message uint64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, ch := range b.subs[topic] {
		ch <- message
	}
}

var sum uint64

func bursts(b *bus, subscribers []chan uint64, burst, rounds int) {
	for round := range rounds {
		for message := range burst {
			b.publish("topic", uint64(message^round))
		}
		for _, ch := range subscribers {
			for range burst {
				sum += <-ch
			}
		}
	}
}

func parked(b *bus, subscribers []chan uint64, rounds int) {
	var waiting atomic.Int64
	var done sync.WaitGroup
	for _, ch := range subscribers {
		done.Go(func() {
			for range rounds {
				waiting.Add(1)
				<-ch
			}
		})
	}
	for round := range rounds {
		for waiting.Load() < int64((round+1)*len(subscribers)) {
			runtime.Gosched()
		}
		b.publish("topic", uint64(round))
	}
	done.Wait()
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	burst, _ := strconv.Atoi(os.Args[2])
	deliveries, _ := strconv.Atoi(os.Args[3])
	runtime.GOMAXPROCS(1)
	b := &bus{subs: map[string][]chan uint64{}}
	subscribers := make([]chan uint64, n)
	for i := range subscribers {
		subscribers[i] = b.subscribe("topic")
	}
	began := time.Now()
	if burst == 0 {
		parked(b, subscribers, (deliveries+n-1)/n)
	} else {
		bursts(b, subscribers, burst, (deliveries+n*burst-1)/(n*burst))
	}
	fmt.Println(time.Since(began).Nanoseconds())
}
"#;

impl Go {
    pub(super) fn build() -> Self {
        Self(Program::build(PROGRAM))
    }

    /// Adds Go to `operation`, where there is Go: with bursts of so many messages, or, of none, with goroutines that wait.
    pub(super) fn beside(
        &self,
        operation: Operation,
        subscribers: usize,
        burst: usize,
    ) -> Operation {
        let subject = "Go, a channel for each, under a mutex";
        self.0.beside(operation, subject, &[&subscribers, &burst])
    }
}
