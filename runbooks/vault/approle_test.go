package vault_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/runbooks/vault"
)

func (f *fake) approle(w http.ResponseWriter, _ *http.Request, _ *token, _ map[string]any) {
	answer(w, map[string]any{"data": map[string]any{"secret_id_num_uses": f.roleUses, "token_policies": []string{"ci"}}})
}

func (f *fake) roleID(w http.ResponseWriter, _ *http.Request, _ *token, _ map[string]any) {
	answer(w, map[string]any{"data": map[string]any{"role_id": "role-of-ci"}})
}

func (f *fake) addSecretID(w http.ResponseWriter, _ *http.Request, _ *token, in map[string]any) {
	id := text(in, "secret_id")
	if slices.Contains(slices.Collect(maps.Values(f.secrets)), id) {
		fail(w, http.StatusInternalServerError, "failed to store SecretID: SecretID is already registered")
		return
	}
	accessor := f.name("acc-")
	f.secrets[accessor] = id
	answer(w, map[string]any{"data": map[string]any{"secret_id": id, "secret_id_accessor": accessor, "secret_id_ttl": 0}})
}

func (f *fake) lookupSecretID(w http.ResponseWriter, _ *http.Request, _ *token, in map[string]any) {
	for accessor, id := range f.secrets {
		if id == text(in, "secret_id") {
			answer(w, map[string]any{"data": map[string]any{"secret_id_accessor": accessor, "secret_id_num_uses": 0}})
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func (f *fake) listSecretIDs(w http.ResponseWriter, _ *http.Request, _ *token, _ map[string]any) {
	if len(f.secrets) == 0 {
		fail(w, http.StatusNotFound, "")
		return
	}
	answer(w, map[string]any{"data": map[string]any{"keys": slices.Sorted(maps.Keys(f.secrets))}})
}

func (f *fake) destroySecretID(w http.ResponseWriter, _ *http.Request, _ *token, in map[string]any) {
	accessor := text(in, "secret_id_accessor")
	if _, ok := f.secrets[accessor]; !ok {
		fail(w, http.StatusNotFound, "failed to find accessor entry for secret_id_accessor")
		return
	}
	delete(f.secrets, accessor)
	w.WriteHeader(http.StatusNoContent)
}

func (f *fake) login(w http.ResponseWriter, _ *http.Request, _ *token, in map[string]any) {
	if text(in, "role_id") != "role-of-ci" || !slices.Contains(slices.Collect(maps.Values(f.secrets)), text(in, "secret_id")) {
		fail(w, http.StatusBadRequest, "invalid role or secret ID")
		return
	}
	id := f.name("hvs.")
	f.tokens[id] = &token{accessor: f.name("a-"), policies: []string{"ci"}, end: f.now.Add(3600e9)}
	answer(w, map[string]any{"auth": map[string]any{"client_token": id}})
}

func (f *fake) revokeSelf(w http.ResponseWriter, r *http.Request, _ *token, _ map[string]any) {
	f.endToken(r.Header.Get("X-Vault-Token"))
	w.WriteHeader(http.StatusNoContent)
}

// opens tells whether a secret id logs in.
func (f *fake) opens(secret string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(slices.Collect(maps.Values(f.secrets)), secret)
}

// TestReq_R41_SecretIDsAreRotated: the next secret id of a program's AppRole is made beside the old one, logs in, and only then are the others destroyed; a
// step that fails leaves the old one working, and the whole order can be repeated with the same result. No token of the proof is left.
func TestReq_R41_SecretIDsAreRotated(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	con := open(t, f, vault.EngineLeases, 0)
	r := runbooks.NewRunner(map[string]runbooks.Connector{"vault": con}, nil)
	safe := runbooktest.NewSafe()
	r.KeepIn(safe)
	g := grant(1, f, nil, nil)
	g.Account = "approle/ci"
	setDown := func(down bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.down = down
	}
	tokens := len(f.tokens)
	setDown(true)
	if _, err := r.Rotate(t.Context(), "vault", g); err == nil || !f.opens("secret-old") {
		t.Fatalf("with a sealed Vault: %v", err)
	}
	setDown(false)
	rot := con.(runbooks.Rotator)
	kept, _, err := safe.Kept(t.Context(), g.ID)
	if err != nil {
		t.Fatal(err)
	}
	next := kept.Parts[0].Value
	job := runbooks.Rotation{ID: "rot_1", Account: g.Account, Secret: next}
	made, err := rot.Renew(t.Context(), job)
	if err != nil || !f.opens("secret-old") || !f.opens(next.Reveal()) {
		t.Fatalf("beside the old one: %+v %v", made, err)
	}
	receipt, err := r.Rotate(t.Context(), "vault", g) // after a crash between the steps
	if err != nil || receipt.Ref != made.Ref {
		t.Fatalf("%+v, %v; want the secret id %s", receipt, err, made.Ref)
	}
	if f.opens("secret-old") || !f.opens(next.Reveal()) || len(f.secrets) != 1 {
		t.Errorf("after it: %v", f.secrets)
	}
	if len(f.tokens) != tokens {
		t.Errorf("%d tokens of the proof are left", len(f.tokens)-tokens)
	}
	if strings.Contains(receipt.Ref+receipt.Facts["role"], next.Reveal()) {
		t.Error("the receipt holds the secret id")
	}
	f.mu.Lock()
	f.secrets["acc-other"] = "secret-other"
	f.mu.Unlock()
	one := runbooks.Rotation{ID: "rot_2", Account: g.Account, Secret: runbooks.NewPassword(), Old: made.Ref}
	n, err := rot.Renew(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	if err := rot.Retire(t.Context(), one, n); err != nil || f.opens(next.Reveal()) || !f.opens("secret-other") {
		t.Errorf("one that was named: %v %v", err, f.secrets)
	}
	if err := rot.Prove(t.Context(), runbooks.Rotation{Account: g.Account, Secret: next}, n); err == nil {
		t.Error("the old secret id still logs in")
	}
	for account, words := range map[string]string{"ci": "is not a role", "approle/../x": "is not a role", "": "is not a role"} {
		if _, err := rot.Renew(t.Context(), runbooks.Rotation{Account: account, Secret: next}); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", account, err)
		}
	}
	f.mu.Lock()
	f.roleUses = 3
	f.mu.Unlock()
	if _, err := rot.Renew(t.Context(), one); err == nil || !strings.Contains(err.Error(), "good for 3 logins") {
		t.Errorf("a role whose secret ids are used up: %v", err)
	}
}
