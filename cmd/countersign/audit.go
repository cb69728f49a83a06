package main

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// audit is what rules for audit trails want to read of every entry, in one row (PCI DSS 10.2.2): whose doing, what, when, with what outcome,
// from where, and on what.
type audit struct {
	User     string // the account, and the person it belonged to then
	Type     string
	Time     string // UTC, as it stands in the entry
	Outcome  string // auditSuccess or auditFailure
	Origin   string // the channel a person used, or the part of the program that acted
	Affected string // identity, data, system or resource
}

const (
	auditSuccess = "success"
	auditFailure = "failure"
)

// failures are the types of entries by which something that was wanted did not happen.
var failures = [...]string{
	"command.refused", "grant.attempt_failed", "grant.failed", "grant.overdue", "notice.undelivered", "request.denied", "request.failed",
	"request.superseded", "request.timed_out", "review.overdue", "stage.timed_out", "alarm.raised",
}

// auditOf reads the six fields of an entry. None is ever empty.
func auditOf(r workflows.Record) audit {
	a := audit{
		User: cmp.Or(string(r.Actor), string(workflows.SystemActor)), Type: r.Event.Kind(), Time: r.At.UTC.String(), Outcome: auditSuccess,
		Affected: string(r.Stream),
	}
	if r.Person != "" {
		a.User += " (" + string(r.Person) + ")"
	}
	if slices.Contains(failures[:], a.Type) {
		a.Outcome = auditFailure
	}
	var fields struct{ Channel, Via, About, Target, Entitlement string }
	if b, err := json.Marshal(r.Event); err == nil {
		_ = json.Unmarshal(b, &fields) // fields of other types than text are not what is looked for
	}
	if fields.Target != "" {
		a.Affected += ", " + strings.Trim(fields.Target+"/"+fields.Entitlement, "/")
	} else if fields.About != "" {
		a.Affected += ", " + fields.About
	}
	a.Origin = cmp.Or(fields.Channel, fields.Via, originOfCause(r.Cause), "the program itself")
	return a
}

// originOfCause says in a word what an update was made of.
func originOfCause(cause string) string {
	kind, _, _ := strings.Cut(cause, "/")
	switch kind {
	case "inbox":
		return "slack"
	case "cli", "api", "start":
		return kind
	case "job":
		return "job"
	}
	return ""
}
