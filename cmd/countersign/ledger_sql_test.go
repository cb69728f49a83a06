package main

import (
	"bytes"
	"database/sql"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReq_R109_ReadWithOtherTools: a plain sqlite3 on a read-only connection reads every documented view with every documented column, and
// answers every question of the page. Where that program is missing, the driver of ours does.
func TestReq_R109_ReadWithOtherTools(t *testing.T) {
	t.Parallel()
	data := thaw(t, frozenReleases(t)[0], true)
	if err := openThawed(t, data).Close(); err != nil {
		t.Fatal(err)
	}
	ask := askSQL(t, filepath.Join(data, "countersign.db"))
	for _, v := range sqlViews() {
		if out := ask("SELECT " + v.columns + " FROM " + v.name); out == "" && v.name != "v_erasures" {
			t.Errorf("%s is empty", v.name)
		}
	}
	var page bytes.Buffer
	printSQL(&page)
	for _, q := range sqlQuestions() {
		if !strings.Contains(page.String(), q[1]) {
			t.Errorf("the page does not ask %q", q[0])
		}
		ask(q[1])
	}
	for question, want := range map[string]string{
		`SELECT requester_name, outcome, reason FROM v_requests WHERE target = 'bastion'`:         "Maya Chen|approved|The shop answers 502",
		`SELECT name, verdict, authn FROM v_decisions WHERE stage = 2 ORDER BY entry`:             "Priya Nair|approve|slack-click",
		`SELECT holder_name, ended_how, started_at <> '', gone_at > started_at FROM v_grants`:     "Maya Chen|expired|1|1",
		`SELECT name, incident FROM v_break_glass`:                                                "Kenji Mori|INC-1042",
		`SELECT verdict FROM v_reviews`:                                                           "emergency",
		`SELECT DISTINCT name, code FROM v_refusals ORDER BY name`:                                "Kenji Mori|not_approver",
		`SELECT COUNT(*) FROM v_entries WHERE type = 'genesis' AND seq = 1 AND stream = 'system'`: "1",
	} {
		if out := ask(question); !strings.Contains(out, want) {
			t.Errorf("%s\ngives %q, want %q", question, out, want)
		}
	}
}

// askSQL gives rows as sqlite3 prints them.
func askSQL(t *testing.T, db string) func(string) string {
	t.Helper()
	if exe, err := exec.LookPath("sqlite3"); err == nil {
		return func(text string) string {
			out, err := exec.CommandContext(t.Context(), exe, "-readonly", "-batch", db, text).CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v, %s", text, err, out)
			}
			return string(out)
		}
	}
	t.Log("sqlite3 is not on this machine: asking through the driver")
	c, err := sql.Open("sqlite", "file:"+db+"?mode=ro&_pragma=query_only(1)&_pragma=trusted_schema(0)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return func(text string) string {
		var out strings.Builder
		rows, err := c.QueryContext(t.Context(), text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			return ""
		}
		defer rows.Close()
		cols, _ := rows.Columns()
		for rows.Next() {
			values, into := make([]sql.NullString, len(cols)), make([]any, len(cols))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Error(err)
			}
			for i, v := range values {
				out.WriteString(strings.Repeat("|", min(i, 1)) + v.String)
			}
			out.WriteString("\n")
		}
		return out.String()
	}
}

// TestFilters reads the frozen ledger by time, kind, person, target and outcome, in show, search and history.
func TestFilters(t *testing.T) {
	t.Parallel()
	data := thaw(t, frozenReleases(t)[0], false)
	for _, test := range []struct {
		args    string
		want    []string
		never   []string
		nothing bool
	}{
		{args: "search -kind vote.recorded .", want: []string{"Jonas Weber approved stage 1", "Priya Nair approved"}, never: []string{"asked for"}},
		{args: "search -kind grant .", want: []string{"may hold", "has expired"}, never: []string{"approved stage"}},
		{args: "search -person Kenji_Mori -kind runbook .", want: []string{"Kenji Mori broke the glass"}, never: []string{"Maya Chen asked"}},
		{args: "search -outcome expired .", want: []string{"has expired"}, never: []string{"given back"}},
		{args: "search -outcome returned .", want: []string{"given back early by Kenji Mori"}, never: []string{"has expired"}},
		{args: "search -outcome approved .", want: []string{"was approved by"}, never: []string{"approved stage"}},
		{args: "search -from 2026-12-01 .", want: []string{"broke the glass"}, never: []string{"Maya Chen asked"}},
		{args: "search -to 2026-11-22 .", want: []string{"Maya Chen asked"}, never: []string{"broke the glass"}},
		{args: "search -from 2026-12-01T00:00:00Z -to 2026-12-01T00:00:01Z .", nothing: true},
		{args: "history -kind request.submitted bastion", want: []string{"Maya Chen asked for"}, never: []string{"runbook web-outage in"}},
		{args: "show -target bastion -kind vote", want: []string{"vote.recorded"}, never: []string{"grant.", "request.submitted"}},
		{args: "show -outcome denied -json", nothing: true},
		{args: "show -person Sofia_Rossi -kind review", want: []string{"review.closed"}, never: []string{"vote.recorded"}},
	} {
		args := append([]string{"ledger"}, strings.Fields(test.args)...)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "_", " ")
			if strings.HasPrefix(test.args, "show -outcome") || strings.Contains(args[i], "timed out") {
				args[i] = strings.ReplaceAll(args[i], " ", "_")
			}
		}
		out, errs, _ := runHere(t, nil, append(args[:2:2], append([]string{"-data", data}, args[2:]...)...)...)
		for _, w := range test.want {
			if !strings.Contains(out, w) {
				t.Errorf("%s does not say %q:\n%s%s", test.args, w, out, errs)
			}
		}
		for _, w := range test.never {
			if strings.Contains(out, w) {
				t.Errorf("%s says %q:\n%s", test.args, w, out)
			}
		}
		if test.nothing && strings.Count(out, "\n") > 1 {
			t.Errorf("%s says\n%s", test.args, out)
		}
	}
	if _, errs, code := runHere(t, nil, "ledger", "search", "-data", data, "-from", "yesterday", "x"); code != exitUsage || !strings.Contains(errs, "2026-11-22") {
		t.Errorf("a time that is none: exit %d, %s", code, errs)
	}
	if _, err := filterTime("2026-03-29", time.UTC, true); err != nil {
		t.Error(err)
	}
}
