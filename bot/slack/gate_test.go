package slack_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign-bot/countersign/bot/slack"
)

// limitedSlack is a method of Slack's third tier: fifty calls at once, then fifty a minute.
type limitedSlack struct {
	mu      sync.Mutex
	tokens  float64
	at      time.Time
	refused int
	taken   int
}

func (l *limitedSlack) call() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.tokens, l.at = min(50, l.tokens+now.Sub(l.at).Minutes()*50), now
	if l.tokens < 1 {
		l.refused++
		return &slack.RateLimited{Method: "conversations.open", RetryAfter: 2 * time.Second}
	}
	l.tokens--
	l.taken++
	return nil
}

// Three hundred messages that are due at once get through at Slack's pace, with few calls that Slack refuses, and a click beside them waits for none of them.
func TestPatientCallsGoOneAfterTheOther(t *testing.T) {
	t.Parallel()
	const callers = 300
	synctest.Test(t, func(t *testing.T) {
		l := &limitedSlack{tokens: 50, at: time.Now()}
		g := slack.NewGates()
		once := func(ctx context.Context) error {
			if err := g.Admit(ctx, "conversations.open", time.Now()); err != nil {
				return err
			}
			err := l.call()
			g.Seen("conversations.open", err, time.Now())
			return err
		}
		begun := time.Now()
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				var limited *slack.RateLimited
				for errors.As(once(slack.Patient(t.Context())), &limited) {
					time.Sleep(limited.RetryAfter)
				}
			})
		}
		time.Sleep(time.Minute)
		if err := g.Admit(t.Context(), "conversations.open", time.Now()); err != nil {
			t.Errorf("somebody who clicked was held back: %v", err)
		}
		if err := g.Admit(slack.Patient(t.Context()), "users.info", time.Now()); err != nil {
			t.Errorf("another method was held back: %v", err)
		}
		wg.Wait()
		took := time.Since(begun)
		t.Logf("%d calls went through in %v, %d were refused by Slack", l.taken, took, l.refused)
		if l.taken != callers || took > 10*time.Minute { // 250 beyond the first fifty take five minutes at best
			t.Errorf("%d of %d calls after %v", l.taken, callers, took)
		}
		if l.refused > 200 { // some 90; where everybody comes again when told, it is 20,000
			t.Errorf("Slack refused %d calls", l.refused)
		}
		time.Sleep(5 * time.Minute)
		if err := g.Admit(slack.Patient(t.Context()), "conversations.open", time.Now()); err != nil {
			t.Errorf("long after the last refusal: %v", err)
		}
	})
}
