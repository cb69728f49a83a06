package main

import (
	"context"
	"iter"
	"log/slog"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/workflows"
)

// discovering is a target that tells of some credentials.
type discovering struct {
	*runbooktest.Memory
	found []runbooks.Discovered
}

func (d discovering) Discover(context.Context) iter.Seq2[runbooks.Discovered, error] {
	return func(yield func(runbooks.Discovered, error) bool) {
		for _, x := range d.found {
			if !yield(x, nil) {
				return
			}
		}
	}
}

// R41: a rotation is over when the old credential is gone. Where an account keeps its name and only its password was replaced (redis, ldap), the account
// is still there and the rotation is over all the same; where another credential was made beside it (postgres), the old one must be gone.
func TestReq_R41_AnAccountThatStaysIsNoOldCredential(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		old, made string
		found     []runbooks.Discovered
		ok, read  bool
	}{
		{"user app", "user app password 1f2e", []runbooks.Discovered{{Ref: "user app", Name: "app"}}, true, false},
		{"", "user app password 1f2e", []runbooks.Discovered{{Ref: "user app", Name: "app"}}, true, false},
		{"entry uid=app,dc=x", "entry uid=app,dc=x password a1", []runbooks.Discovered{{Ref: "entry uid=app,dc=x", Name: "app"}}, true, false},
		{"role app_1", "role app_2", []runbooks.Discovered{{Ref: "role app_1"}, {Ref: "role app_2"}}, false, false},
		{"role app_1", "role app_2", []runbooks.Discovered{{Ref: "role app_2"}}, true, true},
		{"", "key app/2", []runbooks.Discovered{{Ref: "key app/1", Name: "Key of app"}, {Ref: "key app/2", Name: "Key of app"}}, false, false}, // named by its own name
		{"", "key app/2", []runbooks.Discovered{{Ref: "user app", Name: "app"}, {Ref: "key app/2", Name: "Key of app"}}, true, true},
		{"user app", "user app2 password 1f2e", []runbooks.Discovered{{Ref: "user app", Name: "app"}, {Ref: "user app2"}}, false, false},
	} {
		account := "app"
		if x.old == "" && strings.HasPrefix(x.made, "key ") {
			account = "key app/1"
		}
		e := effects{runner: runbooks.NewRunner(map[string]runbooks.Connector{"t": discovering{&runbooktest.Memory{}, x.found}}, slog.New(slog.DiscardHandler))}
		facts, err := e.oldIsGone(t.Context(), "t", runbooks.Grant{Account: account, Fields: map[string]string{"old": x.old}}, runbooks.Receipt{Ref: x.made}, "")
		if (err == nil) != x.ok || (facts[workflows.FactOldGone] != "") != x.read {
			t.Errorf("%q made %q: %v (%v)", x.old, x.made, facts, err)
		}
	}
}
