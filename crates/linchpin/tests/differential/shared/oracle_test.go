// The oracle for what tasks share: plays scripts on Go's own x/sync/semaphore and x/sync/singleflight, under virtual
// time, and tells what it saw.
//
// A line of JSON in is a script, a line of JSON out is a line for each caller after each step. scripts/go-differential
// puts the two packages beside this file and builds it; crates/linchpin/examples/go_differential_sync talks to it.
package shared

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"linchpin/differential/shared/semaphore"
	"linchpin/differential/shared/singleflight"
)

type script struct {
	What  string `json:"what"` // semaphore or flights
	Size  int64  `json:"size"` // of the semaphore
	Steps []step `json:"steps"`
}

// step is one line of a script. A caller has a name; what names one that is not there does nothing.
type step struct {
	Op   string `json:"op"`
	ID   int    `json:"id"`   // the caller that comes, or that something is done to
	N    int64  `json:"n"`    // the permits that it asks for
	MS   int64  `json:"ms"`   // advance: so long; acquire: its timeout, none if zero
	Done bool   `json:"done"` // acquire: under a context that has ended
	Key  string `json:"key"`
	Fate string `json:"fate"` // finish: value, error or panic
}

type caller struct {
	id     int
	state  string
	n      int64
	cancel context.CancelFunc
	called bool
	told   bool
	fate   chan string
}

func TestOracle(t *testing.T) {
	in, out := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(os.Stdout)
	for {
		var s script
		if err := in.Decode(&s); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		var views [][]string
		synctest.Test(t, func(t *testing.T) { views = play(t, s) })
		if err := out.Encode(views); err != nil {
			t.Fatal(err)
		}
	}
}

// world is what a script plays in.
type world struct {
	sem     *semaphore.Weighted
	flights singleflight.Group
	callers []*caller
}

func play(t *testing.T, s script) [][]string {
	w := &world{sem: semaphore.NewWeighted(s.Size)}
	views := [][]string{}
	for _, s := range s.Steps {
		w.step(t, s)
		synctest.Wait()
		view := []string{}
		for _, c := range w.callers {
			called := ""
			if c.called {
				called = " called"
			}
			view = append(view, fmt.Sprintf("%d%s %s", c.id, called, c.state))
		}
		views = append(views, view)
	}
	// A bubble ends when all that is in it has.
	for _, c := range w.callers {
		c.cancel()
		if !c.told {
			c.fate <- "value"
		}
	}
	return views
}

func (w *world) step(t *testing.T, s step) {
	switch s.Op {
	case "advance":
		time.Sleep(time.Duration(s.MS) * time.Millisecond)
	case "forget":
		w.flights.Forget(s.Key)
	case "acquire":
		w.acquire(s)
	case "try":
		c := w.comes(s)
		if w.sem.TryAcquire(c.n) {
			c.state = "granted"
		} else {
			c.state = "refused"
		}
	case "release":
		if c := w.find(s.ID); c != nil && c.state == "granted" {
			w.sem.Release(c.n)
			c.state = "released"
		}
	case "cancel":
		if c := w.find(s.ID); c != nil {
			c.cancel()
		}
	case "do":
		w.do(s)
	case "finish":
		if c := w.find(s.ID); c != nil && c.called && !c.told {
			c.told = true
			c.fate <- s.Fate
		}
	default:
		t.Fatalf("no such operation: %q", s.Op)
	}
}

func (w *world) comes(s step) *caller {
	c := &caller{id: s.ID, n: s.N, state: "waits", cancel: func() {}, fate: make(chan string, 1)}
	w.callers = append(w.callers, c)
	return c
}

func (w *world) find(id int) *caller {
	for _, c := range w.callers {
		if c.id == id {
			return c
		}
	}
	return nil
}

func (w *world) acquire(s step) {
	c := w.comes(s)
	ctx, cancel := context.WithCancel(context.Background())
	if s.MS > 0 {
		cancel()
		ctx, cancel = context.WithTimeout(context.Background(), time.Duration(s.MS)*time.Millisecond)
	}
	c.cancel = cancel
	if s.Done {
		cancel()
	}
	go func() {
		if err := w.sem.Acquire(ctx, c.n); err != nil {
			c.state = "ended"
		} else {
			c.state = "granted"
		}
	}()
}

func (w *world) do(s step) {
	c := w.comes(s)
	go func() {
		defer func() {
			if recover() != nil {
				c.state = "panicked"
			}
		}()
		v, err, shared := w.flights.Do(s.Key, func() (any, error) {
			c.called = true
			switch <-c.fate {
			case "error":
				return nil, fmt.Errorf("error of %d", c.id)
			case "panic":
				panic("planted")
			}
			return fmt.Sprintf("value of %d", c.id), nil
		})
		if err != nil {
			v = err
		}
		c.state = fmt.Sprintf("%v, shared %v", v, shared)
	}()
}
