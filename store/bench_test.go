package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

func vote(b testing.TB, up func(context.Context, workflows.StreamID) error, callers int, n int) {
	var wg sync.WaitGroup
	work := make(chan int)
	for range callers {
		wg.Go(func() {
			for i := range work {
				if err := up(context.Background(), workflows.StreamID(fmt.Sprintf("request/r%d", i%500))); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
}

// BenchmarkUpdate appends one small event to one of 500 streams, by 1, 16 and 64 callers. Compare across callers: the fsync of
// the disk is in every commit.
func BenchmarkUpdate(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := storetest.Open(b, storetest.Config(b))
			up := func(ctx context.Context, stream workflows.StreamID) error {
				_, err := s.Update(ctx, "", []workflows.StreamID{stream}, func(workflows.Facts) (workflows.Outcome, error) {
					var out workflows.Outcome
					out.Add(stream, workflows.System, "", storetest.Voted{By: "p_1"})
					return out, nil
				})
				return err
			}
			b.ResetTimer()
			vote(b, up, callers, b.N)
		})
	}
}
