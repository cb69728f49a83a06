package webhook_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

// A target that takes a password is told the same one at each try of a grant, none when it is taken back, and answers nothing of it.
func TestReq_R26_APasswordIsToldToTheTargetOnly(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, newSecret)
	cfg := r.config(t)
	cfg.Password = true
	runner := runbooks.NewRunner(map[string]runbooks.Connector{"crm": open(t, cfg)}, nil)
	safe := runbooktest.NewSafe()
	runner.KeepIn(safe)
	for range 2 {
		if _, err := runner.Start(t.Context(), "crm", order("g_1")); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := runner.Stop(t.Context(), "crm", order("g_1")); err != nil {
		t.Fatal(err)
	}
	kept, ok, err := safe.Kept(t.Context(), "g_1")
	if err != nil || !ok || kept.Parts[0].Value.Reveal() != "maya" || !strings.Contains(kept.Title, "maya on crm") {
		t.Fatalf("%v %v %q", ok, err, kept.Title)
	}
	grants := 0
	for _, c := range r.calls {
		var o struct{ Secret map[string]string }
		if err := json.Unmarshal(c.Body, &o); err != nil {
			t.Fatal(err)
		}
		want := ""
		if c.Op == "grant" {
			grants++
			want = kept.Parts[1].Value.Reveal()
		}
		if o.Secret["password"] != want {
			t.Errorf("the order to %s came with another password, or with none", c.Op)
		}
	}
	if grants != 2 {
		t.Errorf("%d orders to grant", grants)
	}
	if _, err := open(t, cfg).Grant(t.Context(), order("g_2")); runbooks.ClassOf(err) != runbooks.Refuse || err == nil {
		t.Errorf("a grant without its password: %v", err)
	}
}
