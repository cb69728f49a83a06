package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// While the entries of a snapshot are read, the same snapshot answers other questions: the rows are fetched some at a time, and each once.
func TestSourceAnswersWhileItIsRead(t *testing.T) {
	s := storetest.Open(t, storetest.Config(t))
	for i := range 150 {
		stream := workflows.StreamID(fmt.Sprintf("request/%d", i%7))
		if _, err := s.Update(t.Context(), "", []workflows.StreamID{stream}, numbered(i%7)); err != nil {
			t.Fatal(err)
		}
	}
	src, err := s.Source(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	head, err := src.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []int64{0, 1, 63, 64, 65, 128, head.Size, head.Size + 10} {
		next, openings := int64(0), 0
		for e, err := range src.Entries(t.Context(), 0, to) {
			if err != nil || e.Index != next || len(e.Leaf) == 0 {
				t.Fatalf("entry %d of %d: %v, want %d", e.Index, to, err, next)
			}
			next++
			for o, err := range src.Openings(t.Context(), e.Index, e.Index+1) {
				if err != nil || o.Index != e.Index || o.Field == "" || o.Value == "" {
					t.Fatalf("an opening of entry %d: %+v, %v", e.Index, o, err)
				}
				openings++
			}
		}
		if next != min(to, head.Size) || to > 10 && openings == 0 {
			t.Errorf("%d entries below %d with %d openings, want %d", next, to, openings, min(to, head.Size))
		}
	}
	for range src.Entries(t.Context(), 0, head.Size) { // left early, the connection is free again
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := 0
	for _, err := range src.Entries(ctx, 0, head.Size) {
		if seen++; seen == 1 {
			cancel()
		}
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("after the end of its context: %v", err)
			}
			seen = -1
			break
		}
	}
	if seen >= 0 {
		t.Errorf("all %d entries were read although the context had ended", seen)
	}
	if report, err := s.Verify(t.Context()); err != nil || !report.OK {
		t.Fatal(err, report.First)
	}
}
