package jobs_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
)

// TestUrgentOvertakesAThousandCardsOfOneChannel: a thousand cards wait for one channel, whose pace is one a second, and a thousand more for others,
// so that every worker is busy, and Slack takes its time to answer. Whenever an urgent message for that channel comes, it starts at once; the cards
// then wait for the second it took ahead, so that the pace is kept over any three messages, and each message is sent once.
func TestUrgentOvertakesAThousandCardsOfOneChannel(t *testing.T) {
	for _, takes := range []time.Duration{50 * time.Millisecond, 900 * time.Millisecond, 3 * time.Second} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { overtake(t, takes) })
		})
	}
}

// sends is what reached one channel, in order.
type sends struct {
	mu   sync.Mutex
	keys []string
	at   map[string]time.Time
}

func (s *sends) note(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, key)
	s.at[key] = time.Now()
}

func overtake(t *testing.T, takes time.Duration) {
	const cards = 1000
	channel := workflows.Notice{ID: "card", Channel: "#access"}.Job().Pace
	got := &sends{at: map[string]time.Time{}}
	b := begin(t, jobs.NewSystem(), func(*bench) map[string]jobs.Kind {
		return map[string]jobs.Kind{workflows.JobNotice: {Workers: 8, Urgent: 1, Handle: func(_ context.Context, j jobs.Job) error {
			if j.Pace == channel {
				got.note(j.Key)
			}
			time.Sleep(takes) // Slack's answer
			return jobs.Done
		}}}
	})
	add := func(n workflows.Notice) {
		j := n.Job()
		b.q.add(jobs.Job{Stream: "request/" + workflows.StreamID(n.ID), Kind: j.Kind, Key: j.Key, Lane: j.Lane, Pace: j.Pace})
	}
	for i := range cards {
		add(workflows.Notice{ID: fmt.Sprint("card", i), Channel: "#access"})
		add(workflows.Notice{ID: fmt.Sprint("other", i), Channel: fmt.Sprint("#team", i%50)})
	}
	came := map[string]time.Time{}
	for i := range 20 {
		time.Sleep(13*time.Second + time.Duration(i+1)*77*time.Millisecond) // never at the instant at which a card starts: then either may be noted first
		key := fmt.Sprint("urgent", i)
		came[key] = time.Now()
		add(workflows.Notice{ID: key, Channel: "#access", Urgent: true})
	}
	time.Sleep(2 * cards * (time.Second + takes))
	b.stop()
	if len(got.keys) != cards+len(came) || len(got.at) != len(got.keys) {
		t.Fatalf("%d sends of %d messages, want %d", len(got.keys), len(got.at), cards+len(came))
	}
	for key, since := range came {
		if late := got.at[key].Sub(since); late != 0 {
			t.Errorf("%s started after %v", key, late)
		}
	}
	for i := 1; i < len(got.keys); i++ {
		gap := got.at[got.keys[i]].Sub(got.at[got.keys[i-1]])
		if strings.HasPrefix(got.keys[i], "card") && gap < time.Second {
			t.Fatalf("%s followed after %v", got.keys[i], gap)
		}
		if i > 1 && got.at[got.keys[i]].Sub(got.at[got.keys[i-2]]) < time.Second {
			t.Fatalf("%q stand within %v", got.keys[i-2:i+1], got.at[got.keys[i]].Sub(got.at[got.keys[i-2]]))
		}
	}
}
