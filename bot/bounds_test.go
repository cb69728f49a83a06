package bot

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
)

// T42: whatever the bot remembers of people, messages and codes is bounded: a million ids later it holds less than 64 MiB. These memories have
// no door to the outside, so that this test stands inside.
func TestThreat_T42_MemoriesAreBounded(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	now := time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)
	users := newCache[slack.User](standingAge, maxCached, func() time.Time { return now })
	links := newCache[string](linkKept, maxDrawn, func() time.Time { return now })
	var (
		p pages
		n nudges
		d drawn
		f flood
		c claims
	)
	before := heap()
	for i := range 1_000_000 {
		id := fmt.Sprintf("U%09d", i)
		if _, err := users.get(id, func() (slack.User, error) { return slack.User{ID: id, Name: id}, nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := links.get(id, func() (string, error) { return "https://example.slack.com/" + id, nil }); err != nil {
			t.Fatal(err)
		}
		p.turn(workflows.PersonID(id), screens.HomeWaiting, 5)
		n.put(workflows.PersonID(id), 1)
		f.pass(1, id)
		c.take(id, "AAAA-AAAA", now)
		if i%10 == 0 {
			d.put(slack.Posted{Channel: "C1", TS: id}, screens.Message{Text: id})
			c.give(claim{by: workflows.Acting{Actor: workflows.ActorID(id)}, expire: now.Add(linkAge)})
		}
	}
	if after := heap(); after > before+64<<20 {
		t.Errorf("%d MiB are held", (after-before)>>20)
	}
	runtime.KeepAlive([]any{users, links, &p, &n, &d, &f, &c})
	if len(c.rows) > maxClaims || len(c.wrong) > maxCached || len(f.accounts) > maxFloodAccounts || len(users.rows) > maxCached {
		t.Errorf("%d codes, %d guesses, %d strangers, %d users are remembered", len(c.rows), len(c.wrong), len(f.accounts), len(users.rows))
	}
}
