package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

// TestReq_R68_DrillsLogIn: a drill on a real Redis logs in as the canary with the password that was made for it, is refused after that was taken back, and
// says so in its answer and on record; nothing of the canary is left. Doctor says what a drill on each target shows; and a bot that may not make
// accounts any more is a drill that failed, told to owner and security.
func TestReq_R68_DrillsLogIn(t *testing.T) {
	t.Parallel()
	cache, accounts := startRedis(t)
	dsn := filepath.Join(t.TempDir(), "dsn")
	mustSay(t, os.WriteFile(dsn, []byte("postgres://bot:pw@127.0.0.1:1/x?connect_timeout=1"), 0o600))
	files := leaverFiles(t, dsn, "ldap://127.0.0.1:1", cache)
	for _, name := range []string{"targets/cache.yaml", "targets/directory.yaml"} {
		account := map[bool]string{true: ", drill_account: maya", false: ""}[strings.Contains(name, "directory")]
		files[name] = strings.Replace(files[name], "settings: {", "settings: {drift_schedule: never, drill_schedule: '0 4 1 1 *', drill_entitlement: use"+account+", ", 1)
	}
	door, wrong := doorTarget(t, "door", "in=$1"), doorTarget(t, "gate", "in=open")
	for name, text := range map[string]string{"door": door, "gate": wrong} {
		files["targets/"+name+".yaml"] = text
		files["workflows/use-"+name+".yaml"] = strings.NewReplacer("use-cache", "use-"+name, "cache/use", name+"/use").Replace(files["workflows/use-cache.yaml"])
	}
	d := demoAsJonas(t, files)
	ctx := t.Context()
	out, err := d.cli(ctx, "", "drill", "door")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	said(t, out, "The canary was let in with it, and refused afterwards.")
	if out, err = d.cli(ctx, "", "drill", "gate"); err == nil {
		t.Fatalf("a door that lets everybody in was drilled with success:\n%s", out)
	}
	said(t, out, "failed at the step refuse")
	out, err = d.cli(ctx, "", "drill", "cache")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const in = "The canary was let in with it, and refused afterwards."
	said(t, out, "The drill on cache succeeded", in)
	out, err = d.ledger(ctx, "search", "target.drilled")
	mustSay(t, err)
	said(t, out, in)
	if left := accounts(); strings.Contains(left, "countersign:g_") {
		t.Errorf("the canary's account is left: %s", left)
	}
	out, _ = doctored(t, d, nil) // the directory and the database are away
	said(t, out, "target cache: drills log in as the canary", "target directory: drills make access, take it back and read back both; they do not log in (for that, set canary_password_file and canary_reads)", "target door: drills log in as the canary")
	forbidRedis(t, cache, "ACL SETUSER countersign -acl|setuser")
	if out, err = d.cli(ctx, "", "drill", "cache"); err == nil {
		t.Fatalf("a bot that may not make accounts drilled:\n%s", out)
	}
	said(t, out, "failed at the step grant")
	_, err = (&story{demo: d}).message(ctx, "security", "Drill failed")
	mustSay(t, err)
	_, err = (&story{demo: d}).dm(ctx, "jonas", "Drill failed")
	mustSay(t, err)
}

// doorTarget is a target of the connector command behind a real little program, whose canary is let in as a line of shell says: in=$1 by whether it has the
// access, in=open always.
func doorTarget(t *testing.T, id, lets string) string {
	t.Helper()
	dir := t.TempDir()
	path := runbooktest.Program(t, filepath.Join(dir, "door.sh"), "#!/bin/sh\ncat >/dev/null\nset -eu\nfile="+dir+"/held.$2\nis() { if [ -e \"$file\" ]; then echo present; else echo absent; fi; }\n"+lets+`
case $1 in
grant) touch "$file" ;;
revoke) rm -f "$file" ;;
check) is ;;
try) if [ "$in" = open ]; then echo present; else is; fi ;;
esac
`, 0o755)
	settings := "drift_schedule: never, drill_schedule: '0 4 1 1 *', drill_entitlement: use"
	for _, op := range []string{"grant", "revoke", "check", "try"} {
		settings += fmt.Sprintf(`, %s: "%s\n%s\n${grant}"`, op, path, op)
	}
	return fmt.Sprintf("id: %s\ntitle: The %s\nconnector: command\nowner: jonas\nenvironment: production\ndata_class: internal\nsettings: {%s}\nentitlements:\n"+
		"  - {id: use, title: Use the %s, description: Uses it., business_task: Repairs., review_date: 2036-01-01, longest: 4h}\n", id, id, settings, id)
}

// forbidRedis changes an account of a Redis that startRedis started.
func forbidRedis(t *testing.T, at, command string) {
	t.Helper()
	conn := dialed(t, func() (net.Conn, error) { return net.Dial("tcp", strings.TrimPrefix(at, "redis://")) })
	defer conn.Close()
	_, err := fmt.Fprintf(conn, "%s\r\n", command)
	mustSay(t, err)
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || answer != "+OK\r\n" {
		t.Fatalf("%s: %q %v", command, answer, err)
	}
}

// TestADrillEndsWithTheBot: a drill on a target that does not let go is given up when the bot stops, after the target was asked, and not minutes later.
func TestADrillEndsWithTheBot(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]runbooktest.Fault{
		"refuses": {Before: runbooks.Errorf(runbooks.Retry, nil, "not now")},
		"hangs":   {Hang: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &runbooktest.Memory{}
			m.Always(runbooktest.CallRevoke, fault)
			t.Cleanup(m.Release)
			stop := make(chan struct{})
			w := &sweeper{drills: runbooks.NewRunner(map[string]runbooks.Connector{"m": m}, nil), stopping: stop}
			at := time.Now()
			g := runbooks.Grant{ID: "g_1", Identity: "nobody", Holder: "Nobody", Account: "nobody", Target: "m", Entitlement: "e", Start: at, End: at.Add(time.Hour)}
			done := make(chan error, 1)
			go func() {
				ctx, cancel := w.lasting(t.Context(), time.Hour)
				defer cancel()
				done <- w.takeBackCanary(ctx, "m", g)
			}()
			_, err := until(t.Context(), "the target to be asked", func() (bool, bool) { return true, m.Calls(runbooktest.CallRevoke) > 0 })
			mustSay(t, err)
			select {
			case err := <-done:
				t.Fatalf("it was given up: %v", err)
			default:
			}
			close(stop)
			select {
			case err := <-done:
				if err == nil {
					t.Error("it says that the access is gone")
				}
			case <-time.After(time.Minute):
				t.Fatal("it goes on after the bot was stopped")
			}
		})
	}
}
