package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// erasures are what explains missing texts, in the order of their entries.
type erasures struct {
	erased []told[custody.Erased]
	pruned []told[custody.Pruned]
	began  map[workflows.StreamID]workflows.PersonID // who began a stream; requests only
}

// told is an event with its time.
type told[T any] struct {
	event T
	at    workflows.Stamp
}

func newErasures() *erasures {
	return &erasures{began: map[workflows.StreamID]workflows.PersonID{}}
}

// learn takes an entry in; all of them have to be seen before explains is asked.
func (e *erasures) learn(r workflows.Record) {
	if r.Seq == 1 && r.Stream.Kind() == workflows.KindRequest {
		e.began[r.Stream] = r.Person
	}
	switch x := r.Event.(type) {
	case custody.Erased:
		e.erased = append(e.erased, told[custody.Erased]{x, r.At.UTC})
	case custody.Pruned:
		e.pruned = append(e.pruned, told[custody.Pruned]{x, r.At.UTC})
	}
}

// explains says why a field of an entry has no text any more, in words, or nothing if no entry does.
func (e *erasures) explains(r workflows.Record, field string, name func(workflows.PersonID) string) string {
	x := custody.Entry{Index: r.Index, Person: r.Person, Stream: r.Stream, Notice: noticeOf(r.Event), Began: e.began[r.Stream]}
	for _, y := range e.erased {
		if y.event.Covers(x, field) {
			return fmt.Sprintf("erased on %s by %s and %s, as %s", y.at.Time().Format(time.DateOnly), name(y.event.ProposedBy), name(y.event.ConfirmedBy), y.event.Basis.Words())
		}
	}
	i := slices.IndexFunc(e.pruned, func(y told[custody.Pruned]) bool { return y.event.Covers(r.Index, r.At.UTC) })
	if i < 0 {
		return ""
	}
	return fmt.Sprintf("erased on %s, as texts are kept for %s", e.pruned[i].at.Time().Format(time.DateOnly), e.pruned[i].event.Keep)
}

func noticeOf(e workflows.Event) string {
	switch e := e.(type) {
	case workflows.NoticeDelivered:
		return e.Notice
	case workflows.NoticeUndelivered:
		return e.Notice
	}
	return ""
}

// whyGone reads what explains missing texts. A ledger in which nothing was ever erased is gone through once, without decoding.
func (e *evidence) whyGone(ctx context.Context) (*erasures, error) {
	out := newErasures()
	size, err := e.size(ctx)
	if err != nil {
		return out, err
	}
	for _, kind := range []string{`"type":"texts.`, `"type":"request.submitted"`} {
		for x, err := range e.src.Entries(ctx, 0, size) {
			if err != nil {
				return out, broken(err)
			}
			if !bytes.Contains(x.Leaf, []byte(kind)) {
				continue
			}
			r, err := e.dec.Record(x.Index, x.Leaf, nil)
			if err != nil {
				return out, err
			}
			out.learn(r)
		}
		if len(out.erased)+len(out.pruned) == 0 {
			break
		}
	}
	return out, nil
}

// words say which texts of an entry are gone and why, for behind its sentence; nothing where none is, or where nobody recorded why.
func (e *erasures) words(x *row, name func(workflows.PersonID) string) string {
	if len(e.erased)+len(e.pruned) == 0 {
		return ""
	}
	l, err := ledger.Decode(x.leaf)
	if err != nil {
		return ""
	}
	fields := map[string][]string{}
	var order []string
	for _, field := range slices.Sorted(maps.Keys(l.Sealed)) {
		if slices.ContainsFunc(x.opened, func(o ledger.Opening) bool { return o.Field == field }) {
			continue
		}
		why := e.explains(x.Record, field, name)
		if why == "" {
			continue
		}
		if fields[why] == nil {
			order = append(order, why)
		}
		fields[why] = append(fields[why], field)
	}
	var b strings.Builder
	for _, why := range order {
		fmt.Fprintf(&b, " [%s: %s]", strings.Join(fields[why], ", "), why)
	}
	return printable(b.String())
}
