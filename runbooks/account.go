package runbooks

import "context"

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
