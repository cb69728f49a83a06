package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/workflows"
)

// lifeForgeries are ledgers in which an identity was made, widened, renewed or handed over otherwise than its chains approved.
func lifeForgeries() map[string]struct {
	says  string
	forge func(*forgery) int
} {
	type forged = struct {
		says  string
		forge func(*forgery) int
	}
	const id = "identity/svc-tiles"
	nth := func(f *forgery, typ string, n int) int {
		i := f.first(typ, id, 0)
		for range n {
			i = f.first(typ, id, i+1)
		}
		return i
	}
	changed := func(typ string, n int, field string, value any) func(*forgery) int {
		return func(f *forgery) int {
			i := nth(f, typ, n)
			f.leaves[i].Fields[field] = value
			return i
		}
	}
	claims := func(n int, field string, value any) func(*forgery) int {
		return func(f *forgery) int {
			i := nth(f, "identity.claimed", n)
			says, _ := f.leaves[i].Fields["says"].(map[string]any)
			says[field] = value
			return i
		}
	}
	const nobody, other, late = "p_00000000000000000000000000000000", "changes an identity on other terms", "2031-01-01T00:00:00.000000Z"
	return map[string]forged{
		"made for somebody else":      {other, claims(0, "owner", nobody)},
		"made for longer":             {other, claims(0, "expires", late)},
		"a scope nobody approved":     {other, claims(1, "scope", []any{"admins"})},
		"another account":             {other, changed("identity.account_ordered", 0, "params", map[string]any{"group": []any{"admins"}})},
		"a wider account":             {other, changed("identity.account_ordered", 1, "params", map[string]any{"group": []any{"admins"}})},
		"by hand, past the connector": {other, changed("identity.account_ordered", 1, "by_hand", true)},
		"renewed for longer":          {other, changed("identity.renewed", 0, "expires", late)},
		"renewed by others":           {other, changed("identity.renewed", 0, "approvers", []any{nobody})},
		"renewed by no request": {"which was not approved for that then|an entry is missing", func(f *forgery) int {
			i := nth(f, "identity.renewed", 0)
			request := f.leaves[i].Fields["request"].(string)
			f.leaves[i].Fields["request"] = "r_00000000000000000000000000"
			return f.first("request.approved", "request/"+request, 0)
		}},
		"taken over by who was not asked": {"who was not asked", func(f *forgery) int {
			i := nth(f, "identity.handover_answered", 0)
			f.leaves[i].Person = nobody
			return i
		}},
		"a renewal that nobody was due to be asked for": {"was asked by nobody", func(f *forgery) int {
			i := nth(f, "identity.renewal_opened", 0)
			i = f.first("request.submitted", "request/"+f.leaves[i].Fields["request"].(string), 0)
			f.leaves[i].Fields["authn"] = workflows.AuthnClick
			return i
		}},
		"a later end that a machine asked for": {"machines ask for access alone", func(f *forgery) int {
			i := nth(f, "identity.renewed", 0)
			i = f.first("request.submitted", "request/"+f.leaves[i].Fields["request"].(string), 0)
			f.leaves[i].Fields["authn"] = "oidc/s_00000000000000000000000000"
			return i
		}},
		"an identity that the program asked for": {"was asked by nobody", func(f *forgery) int {
			i := f.first("request.submitted", "request/", 0)
			f.leaves[i].Actor = string(workflows.SystemActor)
			return i
		}},
	}
}

// holdsForgeries writes the ledger of a company anew, against what its chains approved for svc-tiles, signed with the right key: verify names the entry.
func (x *ownLife) holdsForgeries(t *testing.T) {
	t.Helper()
	good := readForgery(t, filepath.Join(x.dir, "data"))
	vkey := good.key.VKey()
	if out, errs, code := runHere(t, nil, "ledger", "verify", good.clone(t).bundle(), "-vkey", vkey); code != exitDone {
		t.Fatalf("the ledger as it was: exit %d, %s%s", code, out, errs)
	}
	for name, c := range lifeForgeries() {
		t.Run(name, func(t *testing.T) {
			f := good.clone(t)
			entry := c.forge(f)
			out, errs, code := runHere(t, nil, "ledger", "verify", f.bundle(), "-vkey", vkey)
			if code != exitLedger || !saysOneOf(out, c.says) || !strings.Contains(out, "is intact") {
				t.Errorf("exit %d, want %q in %s%s", code, c.says, out, errs)
			}
			if !strings.Contains(out, "First: Entry "+itoa(entry)+" ") {
				t.Errorf("the first wrong entry is %d (%s), verify says %s", entry, typeOf(f.leaves, entry), out)
			}
		})
	}
}
