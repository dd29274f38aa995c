// The oracle: runs scripts of operations on Go's own context package, under virtual time, and tells what it saw.
//
// A line of JSON in is a script, a line of JSON out is what every node and callback looked like after each step.
// scripts/go-differential builds it; crates/linchpin/examples/go_differential talks to it.
package differential

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// step is one line of a script. Nodes and callbacks are named by the order in which they were made; node 0 is
// context.Background().
type step struct {
	Op    string  `json:"op"`
	Node  int     `json:"node"`  // the parent, or what is cancelled, or what a callback waits for
	Other int     `json:"other"` // merge: the second parent
	MS    int64   `json:"ms"`    // advance, timeout: so long; deadline: at this time since the start
	Cause *string `json:"cause"` // cancel: the cause; timeout and deadline: the cause if it passes
	Stack bool    `json:"stack"` // timeout and deadline: on a node of its own that takes a cause
	Key   int     `json:"key"`
	Value string  `json:"value"`
	Then  *int    `json:"then"` // after: the node that the callback cancels
	After int     `json:"after"`
}

// node is a context and what ends it: nil where nothing can.
type node struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	ended  int // the step that ended it or what it is derived from, counted from 1; 0 while it is live
}

type callback struct {
	state string
	stop  func() bool
	stops []bool
}

type nodeView struct {
	Err      string    `json:"err"`   // live, cancelled or deadline
	Cause    string    `json:"cause"` // empty while live
	Done     bool      `json:"done"`
	Deadline *int64    `json:"deadline"` // in milliseconds since the start
	Values   [4]string `json:"values"`
}

type callbackView struct {
	State string `json:"state"` // pending, ran or stopped
	Stops []bool `json:"stops"` // what each call of stop returned
}

type view struct {
	Nodes     []nodeView     `json:"nodes"`
	Callbacks []callbackView `json:"callbacks"`
}

// key is the type of our keys, so that they collide with nobody's.
type key int

const byCallback = "by a callback"

func TestOracle(t *testing.T) {
	in, out := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(os.Stdout)
	for {
		var script []step
		if err := in.Decode(&script); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		var views []view
		synctest.Test(t, func(t *testing.T) { views = play(t, script) })
		if err := out.Encode(views); err != nil {
			t.Fatal(err)
		}
	}
}

// play runs a script inside a bubble: the clock moves only in advance, and Wait lets every callback run.
func play(t *testing.T, script []step) []view {
	var (
		start     = time.Now()
		nodes     = []node{{ctx: context.Background()}}
		callbacks []*callback
		views     = []view{}
	)
	for at, s := range script {
		switch s.Op {
		case "forget": // here it is just that nobody calls cancel any more
		case "cancel":
			nodes[s.Node].cancel(cause(s.Cause))
		case "advance":
			time.Sleep(time.Duration(s.MS) * time.Millisecond)
		case "after":
			callbacks = append(callbacks, after(nodes, s))
		case "stop":
			c := callbacks[s.After]
			stopped := c.stop()
			c.stops = append(c.stops, stopped)
			if stopped {
				c.state = "stopped"
			}
		default:
			n := derive(t, nodes, s, start)
			if n.ctx.Err() != nil && n.ended == 0 {
				n.ended = nodes[s.Node].ended
			}
			nodes = append(nodes, n)
		}
		synctest.Wait()
		for i := range nodes {
			if n := &nodes[i]; n.ended == 0 && n.ctx.Err() != nil {
				n.ended = at + 1
			}
		}
		views = append(views, look(nodes, callbacks, start))
	}
	return views
}

func derive(t *testing.T, nodes []node, s step, start time.Time) node {
	parent := nodes[s.Node].ctx
	switch s.Op {
	case "with_cancel":
		ctx, cancel := context.WithCancel(parent)
		return node{ctx: ctx, cancel: plain(cancel)}
	case "with_cancel_cause":
		ctx, cancel := context.WithCancelCause(parent)
		return node{ctx: ctx, cancel: cancel}
	case "with_timeout":
		return timed(parent, s, func(parent context.Context) (context.Context, context.CancelFunc) {
			timeout := time.Duration(s.MS) * time.Millisecond
			if s.Cause == nil {
				return context.WithTimeout(parent, timeout)
			}
			return context.WithTimeoutCause(parent, timeout, cause(s.Cause))
		})
	case "with_deadline":
		return timed(parent, s, func(parent context.Context) (context.Context, context.CancelFunc) {
			at := start.Add(time.Duration(s.MS) * time.Millisecond)
			if s.Cause == nil {
				return context.WithDeadline(parent, at)
			}
			return context.WithDeadlineCause(parent, at, cause(s.Cause))
		})
	case "with_value":
		return node{ctx: context.WithValue(parent, key(s.Key), s.Value)}
	case "without_cancel":
		return node{ctx: context.WithoutCancel(parent)}
	case "merge":
		return merge(nodes[s.Node], nodes[s.Other])
	}
	t.Fatalf("no such operation: %q", s.Op)
	return node{}
}

// timed takes a cause for its cancellation only where it is stacked on a context that does.
func timed(parent context.Context, s step, with func(context.Context) (context.Context, context.CancelFunc)) node {
	if s.Stack {
		outer, cancel := context.WithCancelCause(parent)
		ctx, _ := with(outer)
		return node{ctx: ctx, cancel: cancel}
	}
	ctx, cancel := with(parent)
	return node{ctx: ctx, cancel: plain(cancel)}
}

// merge is what the documentation of AfterFunc recommends (ExampleAfterFunc_merge), made fair: the deadlines and values of
// both parents count, and if both have ended, it ends as the one that did so first.
func merge(first, second node) node {
	ctx, cancel := context.WithCancelCause(union{first.ctx, second.ctx})
	n := node{ctx: ctx, cancel: cancel}
	if first.ended == 0 || second.ended != 0 && second.ended < first.ended {
		first, second = second, first
	}
	for _, parent := range []node{first, second} {
		if parent.ended != 0 {
			cancel(context.Cause(parent.ctx))
			n.ended = first.ended
		}
		context.AfterFunc(parent.ctx, func() { cancel(context.Cause(parent.ctx)) })
	}
	return n
}

// union has what two contexts know, and never ends.
type union struct{ first, second context.Context }

func (union) Done() <-chan struct{} { return nil }
func (union) Err() error            { return nil }

func (u union) Deadline() (time.Time, bool) {
	at, ok := u.first.Deadline()
	if other, too := u.second.Deadline(); too && (!ok || other.Before(at)) {
		return other, true
	}
	return at, ok
}

func (u union) Value(key any) any {
	if v := u.first.Value(key); v != nil {
		return v
	}
	return u.second.Value(key)
}

func after(nodes []node, s step) *callback {
	c := &callback{state: "pending"}
	c.stop = context.AfterFunc(nodes[s.Node].ctx, func() {
		c.state = "ran"
		if s.Then != nil {
			nodes[*s.Then].cancel(errors.New(byCallback))
		}
	})
	return c
}

func look(nodes []node, callbacks []*callback, start time.Time) view {
	v := view{Callbacks: []callbackView{}}
	for _, n := range nodes {
		v.Nodes = append(v.Nodes, lookAt(n.ctx, start))
	}
	for _, c := range callbacks {
		v.Callbacks = append(v.Callbacks, callbackView{c.state, append([]bool{}, c.stops...)})
	}
	return v
}

func lookAt(ctx context.Context, start time.Time) nodeView {
	var v nodeView
	switch err := ctx.Err(); err {
	case nil:
		v.Err = "live"
	case context.Canceled:
		v.Err = "cancelled"
	case context.DeadlineExceeded:
		v.Err = "deadline"
	}
	if cause := context.Cause(ctx); cause != nil {
		v.Cause = cause.Error()
	}
	select {
	case <-ctx.Done():
		v.Done = true
	default:
	}
	if at, ok := ctx.Deadline(); ok {
		ms := at.Sub(start).Milliseconds()
		v.Deadline = &ms
	}
	for k := range v.Values {
		v.Values[k], _ = ctx.Value(key(k)).(string)
	}
	return v
}

func plain(cancel context.CancelFunc) context.CancelCauseFunc {
	return func(error) { cancel() }
}

func cause(text *string) error {
	if text == nil {
		return nil
	}
	return errors.New(*text)
}
