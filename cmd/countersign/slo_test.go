package main

import (
	"io"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// R81, R27: from the click that gives access back until PostgreSQL refuses it, the open session included. What the card says of it is what the
// target cannot end; how long it took is a histogram for each target.
func TestReq_R81_R27_AClickEndsAccessAndTheTimeIsKept(t *testing.T) {
	t.Parallel()
	d, _, mine := pgDemo(t)
	s, ctx := &story{demo: d}, t.Context()
	s.reads(ctx, t, "1h")
	conn, err := pgx.Connect(ctx, mine)
	mustSay(t, err)
	defer conn.Close(ctx)
	mustSay(t, setRole(ctx, t, mine, conn))

	begun := time.Now()
	mustSay(t, s.command(ctx, "maya", "/access", "done"))
	_, err = s.message(ctx, "access", "Maya Chen", "stays as it is") // what a revocation leaves
	mustSay(t, err)
	for deadline := begun.Add(time.Minute); setRole(ctx, t, mine, nil) == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the membership is still there")
		}
	}
	for deadline := begun.Add(time.Minute); ; time.Sleep(20 * time.Millisecond) { // first nobody new, then who is there
		if _, err := conn.Exec(ctx, "SELECT 1"); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the session that used the role lives on")
		}
	}
	t.Logf("from the click until the target refused: %s", time.Since(begun).Round(time.Millisecond))
	counted := regexp.MustCompile(`countersign_revoke_effective_seconds_count\{target="pg-main"\} 1\b`)
	var page []byte
	for deadline := time.Now().Add(time.Minute); !counted.Match(page); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the time is not kept:\n%s", regexp.MustCompile(`.*revoke_effective.*`).FindAll(page, -1))
		}
		resp, err := http.Get(d.child.url() + "/metrics")
		mustSay(t, err)
		page, err = io.ReadAll(resp.Body)
		mustSay(t, err)
		mustSay(t, resp.Body.Close())
	}
}
