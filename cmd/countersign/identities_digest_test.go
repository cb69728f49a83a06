package main

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// R14: (Maya owns the demo's own svc-deploy, too.) Who answers for identities with findings gets one message a week with all of them, and whoever has none gets none. The ledger says who was told.
func TestReq_R14_OwnersAreToldOnceAWeek(t *testing.T) {
	t.Parallel()
	d := demoAsJonas(t, map[string]string{"roles.yaml": jonasRoles})
	d.identityCLI(t, "import", fileOf(t, "cmdb.csv", "id,kind,name,owner,backup,purpose,expires,last_used,stored,revocation\n"+
		"svc-a,service_account,A,maya,jonas,Prints the monthly report.,,,vault,runbook a\n"+
		"svc-b,service_account,B,maya,,Sends the weekly mails.,2031-01-31,,unmanaged,runbook b\n"+
		"svc-c,service_account,C,jonas,maya,Copies the backups away.,2031-01-31,2030-01-01,vault,runbook c\n"), "-source", "cmdb")
	st := &story{demo: d}
	letters := func(who string) (out []string) {
		for _, m := range st.slack.DM(st.slackID(who)) {
			if text := m.Visible(); strings.Contains(text, "Identities that you answer for") {
				out = append(out, text)
			}
		}
		return out
	}
	for week := 1; week <= 2; week++ {
		d.awaitOccurrence(t, jobDigest) // of this week: the one of the last week may still be at its end
		mustSay(t, d.advance(t.Context(), 7*24*time.Hour))
		for deadline := time.Now().Add(2 * time.Minute); len(letters("maya")) < week; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("week %d: %q", week, letters("maya"))
			}
		}
		got := letters("maya")
		said(t, got[len(got)-1], "you answer for: 3; findings on them: 4", "svc-a: no end", "svc-b: no backup, unmanaged secret", "/access identity svc-a")
		if len(got) != week {
			t.Fatalf("week %d: told %d times", week, len(got))
		}
	}
	if got := letters("jonas"); len(got) > 0 {
		t.Errorf("somebody without findings was told: %q", got)
	}
}

// awaitOccurrence waits until the next occurrence of recurring work stands, and lies ahead: where the clock moves on while a job is at its end, that job asks
// for the occurrence after the one that was skipped.
func (d *demo) awaitOccurrence(t *testing.T, kind string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(d.dir, "data", "countersign.db")+"?mode=ro&_pragma=busy_timeout(20000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		var ahead int
		err := db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM job WHERE kind = $1 AND leased = 0 AND due_wanted > $2`, kind, d.clock.Now().Wall.UnixMicro()).Scan(&ahead)
		if err != nil {
			t.Fatal(err)
		}
		if ahead == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no occurrence of %s ahead", kind)
		}
	}
}
