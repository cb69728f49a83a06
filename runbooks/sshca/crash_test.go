package sshca_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/sshca"
	"github.com/countersign-bot/countersign/workflows"
)

const crashDir = "COUNTERSIGN_TEST_CRASH_DIR"

var crashStart = time.Now()

// TestMain turns the test binary into the process that TestRegisterSurvivesKill kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		os.Exit(revokeForEver(dir, os.Getenv(crashDir+"_RUN")))
	}
	os.Exit(m.Run())
}

// revokeForEver grants and revokes, and says each serial only after it was acknowledged.
func revokeForEver(dir, run string) int {
	c, err := sshca.Open(sshca.Config{Seed: seed, Dir: dir})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for i := 0; ; i++ {
		g := crashGrant(run, i)
		if _, err := c.Revoke(context.Background(), g); err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println(g.ID)
	}
}

func crashGrant(run string, i int) (g runbooks.Grant) {
	g.ID = workflows.GrantID(fmt.Sprintf("g_%s_%06d", run, i))
	g.Start, g.End = crashStart, crashStart.AddDate(20, 0, 0)
	return g
}

// Whatever was acknowledged before a kill -9 is on the list afterwards, and the list is never damaged.
func TestRegisterSurvivesKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var acknowledged []workflows.GrantID
	var version uint64
	for run := range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), crashDir+"="+dir, fmt.Sprintf("%s_RUN=%d", crashDir, run))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			acknowledged = append(acknowledged, workflows.GrantID(lines.Text()))
			if n == 5+3*run {
				_ = cmd.Process.Kill() // what it printed before it died is still read
			}
		}
		_ = cmd.Wait()
		c, err := sshca.Open(sshca.Config{Seed: seed, Dir: dir})
		if err != nil {
			t.Fatalf("after kill %d: %v", run, err)
		}
		raw, now := c.KRL()
		_ = c.Close()
		k, err := sshca.ParseKRL(raw)
		if err != nil || now < version {
			t.Fatalf("after kill %d: version %d after %d, %v", run, now, version, err)
		}
		version = now
		for _, id := range acknowledged {
			if !k.Revoked(sshca.Serial(id)) {
				t.Fatalf("after kill %d: %q was acknowledged and is not listed", run, id)
			}
		}
	}
	if len(acknowledged) < 8*6 {
		t.Fatalf("only %d revocations were tried", len(acknowledged))
	}
}
