package store_test

import (
	"fmt"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
)

// TestRepaint asks for every card to be painted again, also for those that wait to be painted already.
func TestRepaint(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *store.Store) {
		const cards = 1100 // more than one page
		for i := range cards {
			if _, err := s.SaveSurface(t.Context(), store.Surface{
				Stream: workflows.RequestStream("r_1"), Place: "message", Channel: "C1", TS: fmt.Sprintf("%d.0", i), Pace: "C1",
			}, 1); err != nil {
				t.Fatal(err)
			}
		}
		for round := int64(1); round <= 2; round++ {
			n, err := s.Repaint(t.Context())
			if err != nil || n != cards {
				t.Fatal(n, err)
			}
			due, err := s.JobsDue(t.Context(), workflows.JobPaint)
			if err != nil || len(due) == 0 {
				t.Fatal(len(due), err)
			}
			f, err := s.Surface(t.Context(), due[0].Key)
			if err != nil || f.Wanted <= f.Painted {
				t.Errorf("%+v, %v", f, err)
			}
		}
	})
}
