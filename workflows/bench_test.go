package workflows_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
)

// BenchmarkFold10000 folds a request that ten thousand things happened to: refused clicks, mostly.
func BenchmarkFold10000(b *testing.B) {
	x := told(b, "peers(ann bob)x2 timeout 4h", "zed submits; ann approves")
	h := x.l.Histories[x.stream()]
	for len(h) < 10_000 {
		var e workflows.Event = workflows.Refused{Command: "vote approve", Code: workflows.CodeAlreadyVoted, Channel: "slack"}
		if len(h)%5 == 0 {
			e = workflows.NoticeDelivered{Notice: fmt.Sprintf("paint/%d", len(h)%100), Via: "slack"}
		}
		h = append(h, workflows.Record{Stream: x.stream(), Seq: int64(len(h)) + 1, At: x.l.Now, Event: e})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := workflows.Fold(h); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(h)), "ns/event")
}

// BenchmarkVote decides in the last of five stages with two hundred approvers each, after some fifty events.
func BenchmarkVote(b *testing.B) {
	var stages, names []string
	for i := range 200 {
		names = append(names, fmt.Sprintf("a%d", i))
	}
	for i := range 5 {
		stages = append(stages, fmt.Sprintf("s%d(%s)x8 timeout 4h", i, strings.Join(names, " ")))
	}
	steps := []string{"zed submits"}
	for i := range 39 {
		steps = append(steps, names[i]+" approves")
	}
	x, err := newWorld(strings.Join(stages, " > "))
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range steps {
		if code, err := x.step(strings.Fields(s)); err != nil || code != "" {
			b.Fatal(s, code, err)
		}
	}
	f := x.l.Facts()
	ballot := x.ballot(acting("a100"), workflows.Approve)
	b.ReportAllocs()
	for b.Loop() {
		out, err := x.w.Vote(f, x.id, ballot)
		if err != nil || len(out.Events) != 3 {
			b.Fatal(err, len(out.Events))
		}
	}
	b.ReportMetric(float64(len(f.Histories[x.stream()])), "events")
}
