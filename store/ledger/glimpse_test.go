package ledger_test

import (
	"fmt"
	"testing"

	"github.com/countersign-bot/countersign/store/ledger"
)

// The fast reader finds every commitment of a leaf, however many there are, and none that is not there.
func TestGlimpseFindsCommitments(t *testing.T) {
	for n := range 6 {
		l := ledger.Leaf{V: 1, Type: "note.made", ID: "e_1", Stream: "request/1", Seq: 1, Time: 1, Sealed: map[string]string{}}
		for i := range n {
			field := fmt.Sprintf("a\"%d", i)
			l.Sealed[field] = ledger.Commit(ledger.Salt{byte(i)}, field, "text")
		}
		b, err := ledger.Encode(l)
		if err != nil {
			t.Fatal(err)
		}
		for field, want := range l.Sealed {
			if got, err := ledger.CommitmentOf(b, field); err != nil || got != want {
				t.Errorf("of %d, %q: %q, %v, want %q", n, field, got, err, want)
			}
		}
		if got, err := ledger.CommitmentOf(b, "b"); err != nil || got != "" {
			t.Errorf("of %d, a field that is not there: %q, %v", n, got, err)
		}
	}
}
