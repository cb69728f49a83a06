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

// BenchmarkTick10000 asks each of ten thousand open requests what is due, as one wake of all of them at once would: most of the time nothing.
func BenchmarkTick10000(b *testing.B) {
	x := told(b, "peers(ann bob carol)x2 remind 30m escalate 1h(dave) timeout 4h > owner(olga)x1 timeout 2h", "zed submits; told all; ann approves; 10m")
	f := x.l.Facts()
	b.ReportAllocs()
	for b.Loop() {
		for range 10_000 {
			out, err := workflows.Tick(f, x.id, workflows.Rosters{})
			if err != nil || len(out.Events) > 0 {
				b.Fatal(out, err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/request")
}

// BenchmarkMatching asks a stage of four parts with two hundred people in overlapping ones what it still wants.
func BenchmarkMatching(b *testing.B) {
	var parts [4][]string
	for i := range 200 {
		name := fmt.Sprintf("a%d", i)
		parts[i%4] = append(parts[i%4], name)
		parts[(i+1)%4] = append(parts[(i+1)%4], name)
	}
	text := "all["
	for i, p := range parts {
		if i > 0 {
			text += " & "
		}
		text += fmt.Sprintf("p%d(%s)x5", i, strings.Join(p, " "))
	}
	x := told(b, text+"] escalate 1h(b1 b2) timeout 4h", "zed submits; a0 approves; a1 approves; a2 approves")
	s, err := x.state()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if workflows.NextWake(s) == 0 {
			b.Fatal("nothing wakes")
		}
	}
}
