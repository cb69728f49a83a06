package store

import "github.com/countersign-bot/countersign/workflows"

// The words of the contract that desk states and Store satisfies.
type (
	// Cause names what an Update consumes.
	Cause = workflows.Cause
	// Result is what an Update committed.
	Result = workflows.Result
)
