package store

import "github.com/countersign-bot/countersign/workflows/desk"

// The two words of desk's Ledger interface that a Go signature has to share. Nothing else of desk is used here.
type (
	// Cause names what an Update consumes.
	Cause = desk.Cause
	// Result is what an Update committed.
	Result = desk.Result
)

var _ desk.Ledger = (*Store)(nil)
