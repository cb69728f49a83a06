package vault_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/vault"
)

func offered(t *testing.T, c runbooks.Connector) (out []string) {
	t.Helper()
	for o, err := range c.(runbooks.Catalog).ListOffers(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o.Params[vault.ParamPath]...)
	}
	return out
}

// TestReq_R64_OffersAndPlans: forms offer the roles of the scope's engines, without those that sign nothing; a plan says what is made, and refuses a role that
// Vault does not have.
func TestReq_R64_OffersAndPlans(t *testing.T) {
	t.Parallel()
	f := newFake(t, &inMemory{users: map[string]string{}})
	for engine, want := range map[string][]string{
		vault.EngineLeases: {"database/creds/orders-read"}, vault.EngineSSH: {"ssh/sign/deploy"}, vault.EnginePKI: {"pki/sign/clients"},
	} {
		if got := offered(t, open(t, f, engine, 0)); !slices.Equal(got, want) {
			t.Errorf("%s offers %q, want %q", engine, got, want)
		}
	}
	c := open(t, f, vault.EngineLeases, time.Hour).(*vault.Leases)
	g := grant(1, f, creds(), nil)
	plan, err := c.Plan(t.Context(), g)
	if err != nil || len(plan.Changes) != 2 || !strings.Contains(plan.Changes[0], "at database/creds/orders-read for this grant alone") || !strings.Contains(plan.Changes[1], "policies orders-read") {
		t.Errorf("%+v (%v)", plan, err)
	}
	g.Params[vault.ParamPath] = []string{"database/creds/dropped"}
	if _, err := c.Plan(t.Context(), g); runbooks.ClassOf(err) != runbooks.Refuse || !strings.Contains(err.Error(), `no role "dropped"`) {
		t.Errorf("a role that is not there: %v", err)
	}
	for path, unlisted := range map[string]bool{"database/creds/x": false, "aws/creds/x": true} {
		if c.IsUnlisted(t.Context(), map[string][]string{vault.ParamPath: {path}}) != unlisted {
			t.Errorf("whether %s would be listed", path)
		}
	}
}

// TestReq_R66_CertificatesByOthers: a certificate that somebody else had signed by the same engine is listed as not ours, and can be revoked; ours
// is listed under its grant until it is revoked.
func TestReq_R66_CertificatesByOthers(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	c := open(t, f, vault.EnginePKI, 0).(*vault.Signed)
	g := grant(1, f, map[string][]string{vault.ParamPath: {"pki/sign/clients"}, vault.ParamName: {"maya1"}}, map[string]string{"csr": csrOf(t)})
	if _, err := c.Grant(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"csr":%q,"common_name":"mallory","ttl":"7200s"}`, csrOf(t))
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL+"/v1/pki/sign/clients", strings.NewReader(body))
	req.Header.Set("X-Vault-Token", botToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	list := func() map[string]runbooks.Access {
		out := map[string]runbooks.Access{}
		for a, err := range c.ListAccess(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			out[a.Account] = a
		}
		return out
	}
	if got := list(); len(got) != 1 || !got["maya1"].Ours || got["maya1"].Key != c.AccessKey(g) {
		t.Errorf("while it is young and could be ours: %+v", got)
	}
	f.advance(5 * time.Minute)
	got := list()
	if x := got["mallory"]; len(got) != 2 || x.Ours || x.Grant != "" || x.Ends.IsZero() || !got["maya1"].Ours {
		t.Fatalf("%+v", got)
	}
	for _, a := range got {
		if _, err := c.RemoveAccess(t.Context(), a); err != nil {
			t.Error(err)
		}
	}
	if got := list(); len(got) != 0 {
		t.Errorf("revoked, and still listed: %+v", got)
	}
	if p, err := c.Check(t.Context(), g); p != runbooks.Absent || err != nil {
		t.Errorf("ours was removed and reads back as %s (%v)", p, err)
	}
}
