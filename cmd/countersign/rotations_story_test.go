package main

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks/library"
	start "github.com/countersign-bot/countersign/workflows/library"
)

// readyRoutines are the library's own routine for logins of a database with the names of the demo's company in it, and the same one for the directory.
func readyRoutines(t *testing.T) func(files map[string]string) {
	t.Helper()
	text, err := fs.ReadFile(library.FS(), "rotate-login.md")
	mustSay(t, err)
	chain, err := fs.ReadFile(start.FS(), "workflows/carry-out.yaml")
	mustSay(t, err)
	login := strings.NewReplacer("owner: chandra", "owner: frida", "groups: [dba]", "groups: [platform]", "\"#access\"", "\"#incidents\"").Replace(string(text))
	return func(files map[string]string) {
		delete(files, "runbooks/turn.md")
		delete(files, "workflows/routine.yaml")
		files["runbooks/rotate-login.md"] = login
		files["runbooks/rotate-entry.md"] = strings.NewReplacer("id: rotate-login", "id: rotate-entry", "pg-main/readonly", "directory/use").Replace(login)
		files["workflows/carry-out.yaml"] = strings.Replace(string(chain), "owner: erin", "owner: frida", 1)
		files["targets/directory.yaml"] = strings.Replace(files["targets/directory.yaml"], "people: 'ou", "programs: 'ou=people,dc=x', people: 'ou", 1)
	}
}

// owned claims what was discovered.
func (x *ownLife) owned(account string, words ...string) string {
	x.t.Helper()
	id, end := x.orphan(account), x.clock.Now().Wall.AddDate(0, 6, 0).Format("2006-01-02")
	x.identityCLI(x.t, append([]string{"claim", id, "-owner", "jonas", "-backup", "maya", "-purpose", "Checks every minute that it answers.", "-expires", end}, words...)...)
	return id
}

// turning waits until the rotation of an identity has made a new secret, and gives its run.
func (x *ownLife) turning(id string) (run string) {
	x.t.Helper()
	run, err := until(x.t.Context(), "the routine of "+id+" to have made a new secret", func() (string, bool) {
		if err := x.advance(x.t.Context(), 6*time.Minute); err != nil { // it is looked for every five minutes
			return "", false
		}
		for line := range strings.Lines(x.mustCLI(x.t, "runbook", "status")) {
			if words := strings.Fields(line); strings.Contains(line, "about "+id) && strings.Contains(line, "2 of 3 steps left") {
				return words[0], true
			}
		}
		return "", false
	})
	if err != nil {
		x.t.Fatalf("%v:\n%s\n%s", err, x.mustCLI(x.t, "runbook", "status"), x.identityCLI(x.t, "show", id))
	}
	return run
}

// taken takes the new secret that waits for Jonas, once.
func (x *ownLife) taken() map[string]string {
	x.t.Helper()
	var got struct {
		ID    string `json:"id"`
		Parts []part `json:"parts"`
	}
	mustSay(x.t, json.Unmarshal([]byte(x.mustCLI(x.t, "take", "-json")), &got))
	if again, err := x.cli(x.t.Context(), "", "take", got.ID); err == nil || !strings.Contains(again, "shown once already") {
		x.t.Errorf("taken twice: %v\n%s", err, again)
	}
	out := map[string]string{}
	for _, p := range got.Parts {
		out[p.Name] = p.Value
	}
	return out
}

// closed waits until a rotation is closed.
func (x *ownLife) closed(id string) string {
	x.t.Helper()
	out, err := until(x.t.Context(), "the rotation of "+id+" to be closed", func() (string, bool) {
		if err := x.advance(x.t.Context(), 6*time.Minute); err != nil {
			return "", false
		}
		out := x.identityCLI(x.t, "show", id)
		return out, !strings.Contains(out, "has to be replaced by")
	})
	if err != nil {
		x.t.Fatalf("%v:\n%s\n%s", err, x.identityCLI(x.t, "show", id), x.mustCLI(x.t, "runbook", "status"))
	}
	return out
}

// TestReq_R41_BothSecretsWorkUntilTheReadersHaveMoved runs the library's routine through serve, on a real PostgreSQL and a real directory: a policy's day opens it by itself for a
// database login, a person's word for an entry. The new secret is made beside the old one and tried; whoever reads it is told; who answers for it takes it once; the old one works
// until they say that the readers have moved and the overlap is over, not before somebody took the new one; then it is refused by the server, and everybody is told.
// What was kept of the secret is destroyed. A rotation that the server refuses leaves the old secret working and tells the channel of alarms.
func TestReq_R41_BothSecretsWorkUntilTheReadersHaveMoved(t *testing.T) {
	t.Parallel()
	x, ctx := startLife(t, readyRoutines(t)), t.Context()
	said(t, x.identityCLI(t, "discover"), "pg-main: 2 new", "directory: 1 new")
	canary, printing := x.owned("canary"), x.owned("printer")
	x.identityCLI(t, "import", fileOf(t, "cmdb.csv", "id,kind,rotate_every\n"+canary+",service_account,90d\n"), "-source", "cmdb")

	// A person demands it, the rest happens by itself.
	x.identityCLI(t, "rotate", printing)
	run := x.turning(printing)
	_, err := x.dm(ctx, "maya", "is being replaced", "both work for at least 1h", printing)
	mustSay(t, err)
	_, err = x.dm(ctx, "jonas", "was made and tried", "/access secret")
	mustSay(t, err)
	x.mustCLI(t, "runbook", "step", run, "2", "done", "-reason", "the printer spooler has it")
	mustSay(t, x.advance(ctx, 3*time.Hour)) // nobody took it, so nobody can use it: the old one stays
	x.wantIn("the printer's old password", x.binds("printer-pw"))
	mustSay(t, x.command(ctx, "jonas", "/access", "secret"))
	_, err = x.told(ctx, "jonas", "access", "countersign take")
	mustSay(t, err)
	next := x.taken()["Secret"]
	x.wantIn("the printer's new password", x.binds(next))
	mustSay(t, x.advance(ctx, 50*time.Minute))
	x.wantIn("the printer's old password within the overlap", x.binds("printer-pw"))
	x.closed(printing)
	x.wantOut("the printer's old password", x.binds("printer-pw"))
	x.wantIn("the printer's new password", x.binds(next))
	_, err = x.dm(ctx, "maya", "is dead", printing)
	mustSay(t, err)

	// The policy's day comes, and nobody does anything but take the secret and say who moved.
	mustSay(t, x.advance(ctx, 84*24*time.Hour))
	run = x.turning(canary)
	got := x.taken()
	x.wantIn("the canary's old password", x.logs("canary", "canary-pw"))
	x.wantIn("the canary's new login", x.logs(got["Login"], got["Secret"]))
	x.mustCLI(t, "runbook", "step", run, "2", "done", "-reason", "the prober was started anew")
	x.closed(canary)
	x.wantOut("the canary's old password", x.logs("canary", "canary-pw"))
	x.wantIn("the canary's new login", x.logs(got["Login"], got["Secret"]))
	_, err = x.dm(ctx, "maya", "is dead", "it is gone", canary)
	mustSay(t, err)
	said(t, x.mustCLI(t, "ledger", "search", "identity.rotation_closed", "-json"), `"connector"`, `"verified"`, `"hmac256:`)
	said(t, x.mustCLI(t, "ledger", "search", "run.secret_destroyed", "-json"), `"taken"`)

	// The server refuses: nothing changes, and somebody hears of it.
	x.pg.Exec(t, "postgres", `ALTER ROLE bot NOCREATEROLE`)
	x.identityCLI(t, "rotate", canary)
	if _, err := until(ctx, "the alarm", func() (bool, bool) {
		if err := x.advance(ctx, 6*time.Minute); err != nil {
			return false, false
		}
		_, ok := newest(x.slack.Messages("security"), []string{"was not replaced", canary})
		return ok, ok
	}); err != nil {
		t.Fatalf("%v:\n%s", err, x.mustCLI(t, "runbook", "status"))
	}
	x.wantIn("the canary's login after a rotation that failed", x.logs(got["Login"], got["Secret"]))
	x.verified(t)
}
