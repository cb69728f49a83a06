package x509_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/x509"
)

// TestReq_R50_WithinTheTarget: a target certifies what its settings name, offers that in forms, and refuses the rest, also when it is planned.
func TestReq_R50_WithinTheTarget(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	target, err := b.For(map[string]string{x509.SettingOrganizations: "edge-operators edge-readers", x509.SettingSPIFFE: "spiffe://northwind.example/a spiffe://northwind.example/edge/*"})
	if err != nil {
		t.Fatal(err)
	}
	var offers []string
	for o, err := range target.ListOffers(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		offers = append(offers, o.Name)
	}
	if !slices.Equal(offers, []string{"edge-operators", "edge-readers", "spiffe://northwind.example/a"}) {
		t.Errorf("offered: %q", offers)
	}
	csr := request(t, newKey(t))
	for i, x := range []struct {
		params map[string][]string
		words  string // "" is granted
	}{
		{map[string][]string{"organization": {"edge-operators"}}, ""},
		{map[string][]string{"organization": {"edge-operators", "root"}}, `"root" is none that this target certifies`},
		{map[string][]string{"spiffe_id": {"spiffe://northwind.example/edge/api"}}, ""},
		{map[string][]string{"spiffe_id": {"spiffe://northwind.example/edgy"}}, "is none that this target certifies"},
		{map[string][]string{"common_name": {"root"}}, "the entitlement has neither"},
	} {
		g := b.grantOf(strings.Repeat("x", i+1), csr)
		g.Params = x.params
		_, planned := target.Plan(t.Context(), g)
		_, granted := target.Grant(t.Context(), g)
		for _, err := range []error{planned, granted} {
			if x.words == "" && err != nil || x.words != "" && (runbooks.ClassOf(err) != runbooks.Refuse || err == nil || !strings.Contains(err.Error(), x.words)) {
				t.Errorf("%v: %v, want %q", x.params, err, x.words)
			}
		}
	}
	for _, bad := range []map[string]string{{"organisations": "x"}, {x509.SettingSPIFFE: "https://x"}, {x509.SettingSPIFFE: "spiffe://a/*/b"}} {
		if _, err := b.For(bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}
