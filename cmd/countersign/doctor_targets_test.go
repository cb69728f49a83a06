package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReq_R75_DoctorProvesWhatConnectorsMayDo: countersign doctor says of each target what the bot's account may do there, finds one that may too
// much (the directory's, which is its administrator), and one that cannot get in (the cache's, with another password).
func TestReq_R75_DoctorProvesWhatConnectorsMayDo(t *testing.T) {
	t.Parallel()
	directory, _ := startSlapd(t)
	cache, _ := startRedis(t)
	dsn := filepath.Join(t.TempDir(), "dsn")
	mustSay(t, os.WriteFile(dsn, []byte("postgres://bot:canary-pw@127.0.0.1:1/x"), 0o600))
	files := leaverFiles(t, dsn, directory, cache)
	wrong := filepath.Join(t.TempDir(), "wrong")
	mustSay(t, os.WriteFile(wrong, []byte("canary-wrong"), 0o600))
	other := strings.NewReplacer("id: cache", "id: cache-2", "username: countersign", "username: nobody").Replace(files["targets/cache.yaml"])
	at := strings.Index(other, "password_file: ") + len("password_file: ")
	files["targets/cache-2.yaml"] = other[:at] + wrong + other[at+strings.IndexAny(other[at:], ",}"):]
	out, err := doctored(t, demoAsJonas(t, files), nil)
	if err == nil {
		t.Fatalf("doctor found nothing:\n%s", out)
	}
	for _, want := range []string{
		"ok      target cache: the bot's account may ACL SETUSER x", "ok      target cache: the bot's account may not GET x",
		"ok      target directory: the bot may write members and descriptions of groups", "NOT OK  target directory: the bot could change an account, which is more than it needs",
		"NOT OK  target cache-2: the server refuses the bot's account or password", "NOT OK  target pg-main: connecting: the database could not be reached",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "canary") {
		t.Errorf("doctor tells a password:\n%s", out)
	}
}
