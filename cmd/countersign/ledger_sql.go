package main

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// sqlView is one view for people who bring their own tools.
type sqlView struct{ name, what, columns string }

// sqlViews are the views of the database, as store/migrations make them. Later versions only add columns.
func sqlViews() []sqlView {
	return []sqlView{
		{"v_entries", "every entry, with its bytes as JSON", "entry, time, type, stream, seq, person, name, account, cause, policy, id, leaf"},
		{"v_requests", "what was asked for, and what became of it (open, approved, denied, withdrawn, timed_out, superseded, failed)", "request, asked_at, workflow, target, entitlement, runbook, subject, seconds, requester, requester_name, reason, outcome, ended_at, channel, policy, entry"},
		{"v_decisions", "every vote, by whom, how they were authenticated, and under which policy", "entry, time, request, stage, verdict, person, name, reason, authn, channel, shown, policy"},
		{"v_grants", "access that was approved: whose, on what, until when, and how it ended", `"grant", request, runbook, identity, holder_name, requester, target, entitlement, approvers, approved_at, ends_at, started_at, ended_how, gone_at, entry`},
		{"v_break_glass", "runbooks that were invoked without asking", `entry, time, runbook, incident, person, name, "grant", review, ends_at, reason`},
		{"v_reviews", "reviews of what was done without asking", "review, opened_at, incident, owner, invoker, due_at, verdict, closed_at, closed_by, entry"},
		{"v_people", "who stands behind a pseudonym, as long as that is known; no evidence", "person, name, email, zone, accounts"},
		{"v_refusals", "attempts that were turned away", "entry, time, person, name, command, code, channel, about, stream"},
		{"v_erasures", "texts that were erased or disclosed, by whom and on what ground", "entry, time, type, about, of_entry, field, before_entry, texts, basis, proposed_by, confirmed_by"},
		{"v_policies", "which documents were put in force", "entry, time, program, workflows, runbooks, changed"},
		{"v_texts", "free text and names beside the entries, as long as they are not erased", "entry, field, text, person"},
		{"v_checkpoints", "signed heads that left the process", "entries, published_at, note"},
	}
}

// sqlQuestions are what people ask, as statements that run as they stand.
func sqlQuestions() [][2]string {
	return [][2]string{
		{"Who has access now, and until when?", `SELECT holder_name, target, entitlement, ends_at FROM v_grants WHERE started_at IS NOT NULL AND gone_at IS NULL ORDER BY ends_at`},
		{"Who approved access to a target in a quarter?", `SELECT d.time, d.name, d.verdict, r.requester_name, r.target, r.entitlement, d.reason FROM v_decisions d JOIN v_requests r ON r.request = d.request WHERE r.target = 'bastion' AND d.time >= '2026-10-01' AND d.time < '2027-01-01' ORDER BY d.entry`},
		{"How long do people wait for an outcome?", `SELECT workflow, outcome, COUNT(*) AS requests, MIN(ended_at) AS first, MAX(ended_at) AS last FROM v_requests GROUP BY workflow, outcome ORDER BY workflow, outcome`},
		{"Which glass was broken, and was it reviewed?", `SELECT b.time, b.name, b.incident, b.reason, w.verdict, w.closed_at FROM v_break_glass b LEFT JOIN v_reviews w ON w.review = b.review ORDER BY b.entry`},
		{"Who was turned away, and why?", `SELECT name, code, COUNT(*) AS times FROM v_refusals GROUP BY name, code ORDER BY times DESC`},
	}
}

// ledgerSQL prints how to read the ledger with tools of one's own.
func ledgerSQL(_ context.Context, p proc) error {
	if err := p.parse(p.flags("ledger sql", ""), 0, 0); err != nil {
		return err
	}
	printSQL(p.out)
	return nil
}

func printSQL(w io.Writer) {
	fmt.Fprint(w, `Reading the ledger with tools of your own. Open it read-only, beside the running bot; nothing is locked for long:

	sqlite3 -readonly "$COUNTERSIGN_DATA/countersign.db"
	psql "$COUNTERSIGN_DATABASE"        (give your readers a role that may only SELECT)

Times are UTC, as 2026-11-22T01:02:03.456789Z; people are pseudonyms (p_…) with the name beside them while it is known. The views are
computed from the entries and prove nothing by themselves: countersign ledger verify does, countersign ledger export makes evidence.

`)
	for _, v := range sqlViews() {
		fmt.Fprintf(w, "%s\n\t%s\n\t%s\n\n", v.name, v.what, v.columns)
	}
	fmt.Fprint(w, "Questions that are often asked:\n\n")
	for _, q := range sqlQuestions() {
		fmt.Fprintf(w, "-- %s\n%s;\n\n", q[0], strings.TrimSpace(q[1]))
	}
}
