package runbooks

import (
	"context"
	"strings"
	"testing"
	"time"
)

// counting is a connector that only counts, and spoils what it is handed.
type counting struct{ grants int }

func (c *counting) Describe() Capabilities { return Capabilities{Timeout: time.Second} }

func (c *counting) Grant(_ context.Context, g Grant) (Receipt, error) {
	c.grants++
	role := g.Params["role"][0]
	g.Params["role"][0], g.Params["more"] = "spoilt", []string{"spoilt"}
	if c.grants == 1 {
		return Receipt{}, Errorf(Retry, nil, "again")
	}
	return Receipt{Ref: role}, nil
}

func (c *counting) Revoke(context.Context, Grant) (Receipt, error) { return Receipt{}, nil }
func (c *counting) Check(context.Context, Grant) (Presence, error) { return Present, nil }

func countingRunner() (*Runner, *counting, Grant) {
	c := &counting{}
	now := time.Now()
	return NewRunner(map[string]Connector{"c": c}, nil), c, Grant{
		ID: "g_1", Request: "r_1", Identity: "p_1", Target: "t", Entitlement: "e",
		Params: map[string][]string{"role": {"reader"}}, Start: now, End: now.Add(time.Hour),
	}
}

// TestThreat_T28_ChangedInMemory: a grant that is not what was handed over any more reaches no connector.
func TestThreat_T28_ChangedInMemory(t *testing.T) {
	t.Parallel()
	r, c, g := countingRunner()
	o, err := r.take("c", g)
	if err != nil {
		t.Fatal(err)
	}
	o.grant.Params["role"][0] = "admin"
	_, callErr := r.grant(t.Context(), o)
	if callErr == nil || callErr.Class != Broken || !strings.Contains(callErr.Text, "not what was handed over") || c.grants != 0 {
		t.Errorf("error %v after %d calls", callErr, c.grants)
	}
}

// A connector that spoils what it is handed does not spoil the next call, nor its caller's copy.
func TestThreat_T28_EachCallHasItsOwnCopy(t *testing.T) {
	t.Parallel()
	r, c, g := countingRunner()
	receipt, err := r.Start(t.Context(), "c", g)
	if err != nil || receipt.Ref != "reader" || c.grants != 2 || g.Params["role"][0] != "reader" || len(g.Params) != 1 {
		t.Errorf("%v, %v after %d calls; the caller's copy is %v", receipt, err, c.grants, g.Params)
	}
}
