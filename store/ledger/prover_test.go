package ledger_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/countersign-bot/countersign/store/ledger"
)

// TestProverProvesAsWithoutMemory lets one Prover live through a growing tree: what it remembers of unfinished tiles must stay right.
func TestProverProvesAsWithoutMemory(t *testing.T) {
	ctx, leaves := t.Context(), numbered(70_000)
	tree, full := ledger.NewTree(), tiles{}
	r := ledger.Layered{full, tree}
	p := ledger.NewProver(r)
	for _, size := range []int64{1, 2, 3, 100, 255, 256, 257, 511, 512, 600, 5000, 65_535, 65_536, 65_537, 70_000} {
		for tree.Size() < size {
			full.add(tree.Append(ledger.LeafHash(leaves[tree.Size()])))
		}
		for i := int64(0); i < size; i += 1 + size/37 {
			for _, k := range []int64{i, size - 1 - i} {
				want, err := ledger.ProveInclusion(ctx, r, size, k)
				if err != nil {
					t.Fatal(err)
				}
				got, err := ledger.ProveInclusion(ctx, p, size, k)
				if err != nil || !slices.Equal(got, want) {
					t.Fatalf("entry %d of %d is proven otherwise from memory: %v", k, size, err)
				}
				if err := ledger.CheckInclusion(got, size, tree.Root(), k, ledger.LeafHash(leaves[k])); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if _, err := ledger.ProveInclusion(ctx, p, 70_002, 70_000); !errors.Is(err, ledger.ErrNoTile) {
		t.Errorf("an entry that is not there was proven: %v", err)
	}
}

func TestProverForManyAtOnce(t *testing.T) {
	leaves := numbered(3000)
	tree, full := ledger.NewTree(), tiles{}
	for _, l := range leaves {
		full.add(tree.Append(ledger.LeafHash(l)))
	}
	p := ledger.NewProver(ledger.Layered{full, tree})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := int64(w); i < 3000; i += 7 {
				path, err := ledger.ProveInclusion(context.Background(), p, 3000, i)
				if err == nil {
					err = ledger.CheckInclusion(path, 3000, tree.Root(), i, ledger.LeafHash(leaves[i]))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
