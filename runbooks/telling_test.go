package runbooks_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

// listening remembers what its calls are for.
type listening struct {
	*runbooktest.Memory
	granted, read string
}

func (l *listening) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	l.granted = runbooks.Told(ctx)
	return l.Memory.Grant(ctx, g)
}

func (l *listening) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	l.read = runbooks.Told(ctx)
	return l.Memory.Check(ctx, g)
}

// TestReq_R72_CallsSayWhatTheyAreFor: every change carries the grant's id and the holder's name to the connector, in words that no name can forge.
func TestReq_R72_CallsSayWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	l := &listening{Memory: &runbooktest.Memory{}}
	r := runbooks.NewRunner(map[string]runbooks.Connector{"t": l}, slog.New(slog.DiscardHandler))
	g := grantOf(77)
	for holder, want := range map[string]string{
		"Zoë Ng": "holder=Zo%C3%AB%20Ng", "x) grant=g_forged; y*/": "holder=x%29%20grant%3Dg_forged%3B%20y%2A%2F", strings.Repeat("ä", 90): "holder=" + strings.Repeat("%C3%A4", 20),
	} {
		g.Holder = holder
		if _, err := r.Start(t.Context(), "t", g); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(l.granted, "countersign grant="+string(g.ID)) || !strings.HasSuffix(l.granted, " "+want) || l.read != "" {
			t.Errorf("%q: granting was for %q, reading back for %q", holder, l.granted, l.read)
		}
		if _, _, err := r.Stop(t.Context(), "t", g); err != nil {
			t.Fatal(err)
		}
	}
}
