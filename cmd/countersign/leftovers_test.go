package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/store"
)

func TestLeftovers(t *testing.T) {
	t.Parallel()
	l, begun := leftovers{tries: map[int64]retry{}}, time.Unix(0, 0)
	rows := []store.Inbound{{ID: 7}}
	var tried []int
	for s := 0; s <= 1200; s += 5 {
		if len(l.due(rows, begun.Add(time.Duration(s)*time.Second))) > 0 {
			tried = append(tried, s)
		}
	}
	if diff := cmp.Diff([]int{5, 15, 35, 75, 155, 315, 615, 915}, tried); diff != "" {
		t.Errorf("seconds of the tries (-want +got):\n%s", diff)
	}
	if len(l.due(nil, begun)) != 0 || len(l.tries) != 0 {
		t.Error("a finished row is remembered")
	}
	l.due(rows, begun)
	n := 0
	for h := range 1000 {
		n += len(l.due(rows, begun.Add(time.Duration(h)*time.Hour)))
	}
	if n != leftTries {
		t.Errorf("a row was tried %d times, want %d", n, leftTries)
	}
}
