package store_test

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/storetest"
)

// TestFault_F37_UnderLoad lets eight callers write without a pause: the log begins anew again and again although it is never idle, so
// that it stays bounded for as long as the load lasts, and all that was written is there.
func TestFault_F37_UnderLoad(t *testing.T) {
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const bound = 300
	var next, done atomic.Int64
	var wg sync.WaitGroup
	tick := make(chan struct{}, 1) // as often as the log grows by some hundred pages
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				n := int(next.Add(1))
				if _, err := s.Update(t.Context(), "", nil, numbered(n)); err != nil {
					t.Error(err)
					return
				}
				if done.Add(1)%60 == 0 {
					select {
					case tick <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	var before, most int64
	begun, turns := 0, store.NewFolding(s, bound)
	for begun < 5 {
		<-tick
		if done.Load() > 5000 {
			t.Fatalf("after %d entries the log began anew %d times only; %d pages at most", done.Load(), begun, most)
		}
		pages, err := turns.Turn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if pages < before {
			begun++
		}
		before, most = pages, max(most, pages)
	}
	cancel()
	wg.Wait()
	t.Logf("%d entries, %d pages at most", done.Load(), most)
	for n := range int(done.Load()) {
		if n%97 != 0 {
			continue
		}
		wantAll(t, s, []int{n + 1})
	}
}

// TestLogGivesItsRoomBack wants an empty log on the disk after a quiet second, and none taken while somebody reads.
func TestLogGivesItsRoomBack(t *testing.T) {
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	for n := range 50 {
		if _, err := s.Update(t.Context(), "", nil, numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
	turns := store.NewFolding(s, 1<<20)
	turn := func(what string) {
		t.Helper()
		if _, err := turns.Turn(t.Context()); err != nil {
			t.Fatal(what, err)
		}
	}
	size := func() int64 {
		t.Helper()
		info, err := os.Stat(dbPath(cfg) + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	turn("the first folds")
	if size() == 0 {
		t.Fatal("a log in use was cut")
	}
	src, err := s.Source(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Head(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(t.Context(), "", nil, numbered(50)); err != nil {
		t.Fatal(err)
	}
	turn("under a reader")
	turn("under a reader, nothing new")
	if size() == 0 {
		t.Error("the log was cut under a reader")
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	turn("folds")
	turn("gives back")
	if n := size(); n != 0 {
		t.Errorf("a quiet log takes %d bytes", n)
	}
	if _, err := s.Update(t.Context(), "", nil, numbered(51)); err != nil {
		t.Fatal(err)
	}
	wantAll(t, s, []int{49, 50, 51})
}

// TestCloseWaitsForTheFold: whoever copies or looks at the file after Close has all of it there, although it was just being folded.
func TestCloseWaitsForTheFold(t *testing.T) {
	t.Parallel()
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	for n := range 20 {
		if _, err := s.Update(t.Context(), "", nil, numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
	release, err := s.FoldSlowly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		t.Errorf("closed while the log was being folded (%v)", err)
		release()
	case <-time.After(50 * time.Millisecond): // with the fault it is there long before
		release()
		if err := <-closed; err != nil {
			t.Error(err)
		}
	}
	if fi, err := os.Stat(dbPath(cfg) + "-wal"); err == nil && fi.Size() > 0 {
		t.Errorf("%d bytes are still in the write-ahead log", fi.Size())
	}
}
