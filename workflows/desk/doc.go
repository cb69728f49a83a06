// Package desk is where a command meets the ledger: one file per command. It asks the world what must be asked (who is
// this person, who is on this roster, which policy is current), calls Update with a pure decision of package workflows
// or one of its stream packages, and hands the result back. It holds no rules of its own.
//
// Called by bot (Slack), cmd (command line, jobs) and, later, bot/api. It declares the interfaces it needs.
package desk
