package runbooks

import (
	"context"
	"time"
)

// AccountWatcher tells who uses an account of the target now, whatever gave it: for what is looked at again and again while a control is waived. It is found
// by assertion.
type AccountWatcher interface {
	// AccountUse lists the live sessions of the account, oldest first. An account that is not there has none.
	AccountUse(ctx context.Context, account string) ([]Session, error)
}

// AccountLocker keeps an account of the target from logging in without taking anything else from it, and lets it again. Both are idempotent, and read the
// target back before they return. It is found by assertion.
type AccountLocker interface {
	// LockAccount refuses new logins of the account and ends its sessions where the target can.
	LockAccount(ctx context.Context, account string) error
	// UnlockAccount lets it log in as before.
	UnlockAccount(ctx context.Context, account string) error
}

// AccountMaker makes the account of a new identity. It is found by assertion.
type AccountMaker interface {
	// MakeAccount makes an account with a login and with what the parameters of an entitlement name, until its end, and without a secret that anybody
	// knows: a rotation makes the first. It is idempotent by order, reads the target back before it returns, and refuses to touch an account of that
	// name that it did not make for this order. It gives the target's own name for what was made.
	MakeAccount(ctx context.Context, order NewAccount) (ref string, err error)
}

// AccountScoper changes what an account that is there may do. It is found by assertion.
type AccountScoper interface {
	// ScopeAccount gives the account what the parameters of an entitlement name, for as long as the account stands, and takes away what it has of order.Was
	// beside that; what else it has stays. It is idempotent, reads both back before it returns, and refuses an account that is not there. It gives a phrase
	// for what the account has now, and has no longer.
	ScopeAccount(ctx context.Context, order NewAccount) (what string, err error)
}

// AccountCloser closes an account for good. It is found by assertion.
type AccountCloser interface {
	// CloseAccount takes the account from the target, or whatever lets it log in, ends its sessions where the target can, and reads the target back before
	// it returns. It is idempotent; an account that is not there is closed. It refuses what belongs to the target or to the bot itself.
	CloseAccount(ctx context.Context, account string) error
}

// NewAccount is an account to be made.
type NewAccount struct {
	Order   string              // the request that was approved: "r_…"
	Account string              // its name on the target
	Params  map[string][]string // the entitlement's words
	Until   time.Time           // UTC; the target's own end, where it has one; zero: as it is
	Was     []string            // of ScopeAccount: what it had before, as parameters of earlier orders and in the phrases of Discover
}

// Words is the order as a grant of the same words, for a connector that reads both alike. Its times mean nothing.
func (a NewAccount) Words() Grant {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return Grant{ID: "g_account", Identity: "identity", Target: "target", Entitlement: "account", Account: a.Account, Params: a.Params, Start: start, End: start.Add(time.Hour)}
}

// KillTeller says how an app or a credential is taken off its target for good: for whoever decides whether to. It is found by assertion, beside
// AccountCloser.
type KillTeller interface {
	// HowKilled is a sentence for people: what CloseAccount would do to the account, or where a person does what it cannot. does tells which of the two.
	HowKilled(account string) (how string, does bool)
}
