package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// TestRemovedByHandIsSomebodysWord: the target refuses to take access back. Whoever has nothing to do with it cannot say that it is gone; its owner can, with a reason,
// which is recorded under their name and counts for no more than that: the target is asked, has the access still, and is told to take it back again and again; only its own
// answer is called verified.
func TestRemovedByHandIsSomebodysWord(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the bot")
	}
	r := newRefused(t)
	ctx := t.Context()
	r.obtain(ctx, t, "use-crm", nil)
	_, err := until(ctx, "the access", func() (bool, bool) { return true, r.service.holds() })
	mustSay(t, err)
	shown, err := r.ledger(ctx, "show", "-last", "0", "-json")
	mustSay(t, err)
	plain, err := r.ledger(ctx, "show")
	mustSay(t, err)
	r.request = requestIn(t, strings.ReplaceAll(plain, "/", " "))
	grant := regexp.MustCompile(`"grant":"(g_[^"]+)"`).FindStringSubmatch(shown)
	if grant == nil {
		t.Fatalf("no grant in %s", shown)
	}
	mustSay(t, r.advance(ctx, time.Hour+time.Second))
	r.pass(2 * time.Minute)

	mustSay(t, r.command(ctx, "kenji", "/access", "removed-by-hand "+grant[1]+" I say so."))
	kind := grants.RemovedByHand{}.Kind()
	_, err = until(ctx, "the refusal on record", func() (string, bool) {
		out, err := r.ledger(ctx, "show", "-last", "10", "-json")
		mustSay(t, err)
		return out, strings.Contains(out, workflows.CodeNotYours)
	})
	mustSay(t, err)
	if out, err := r.cli(ctx, "", "removed-by-hand", grant[1], "-reason", "Deleted the seat in the service's own console; the list of seats has none of hers."); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := r.ledger(ctx, "show", "-last", "0", "-json")
	mustSay(t, err)
	if n := strings.Count(out, `"`+kind+`"`); n != 1 {
		t.Errorf("%d say that it was removed by hand", n)
	}
	refusals := r.service.refusals()
	_, err = until(ctx, "the target to be asked in spite of somebody's word", func() (bool, bool) {
		mustSay(t, r.advance(ctx, time.Minute))
		return true, r.service.refusals() > refusals
	})
	mustSay(t, err)
	r.red() // it is there, so the word counts for nothing
	r.service.giveIn()
	_, err = until(ctx, "the access to be gone", func() (bool, bool) {
		mustSay(t, r.advance(ctx, time.Minute))
		return true, !r.service.holds()
	})
	mustSay(t, err)
	_, err = r.message(ctx, "access", "Maya Chen", "Verified: reading the target back found it gone.")
	mustSay(t, err)
	if out, err := r.ledger(ctx, "verify"); err != nil || !strings.Contains(out, "intact") {
		t.Errorf("the ledger does not verify: %v\n%s", err, out)
	}
}
