package jobs_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
)

const (
	crowd      = 9000 // messages for one channel
	crowdHeld  = 8192 // of which so many are held
	crowdWatch = 10 * time.Minute
)

// crowded has a worker with more messages for one channel than it holds.
func crowded(t *testing.T) *bench {
	b := begin(t, jobs.NewSystem(), func(b *bench) map[string]jobs.Kind {
		return map[string]jobs.Kind{"n": {Workers: 8, Urgent: 1, Handle: func(_ context.Context, j jobs.Job) error {
			if j.Lane == workflows.LaneUrgent {
				b.note("%s", j.Key)
			}
			return jobs.Done
		}}}
	})
	b.q.mu.Lock()
	for i := range crowd {
		b.q.next++
		b.q.rows[b.q.next] = &row{Job: jobs.Job{ID: b.q.next, Gen: 1, Kind: "n", Key: fmt.Sprint(i), Pace: "channel"}, due: 1}
	}
	b.q.mu.Unlock()
	b.w.Wake(1)
	return b
}

// TestALongQueueIsNotReadAgainEverySecond: what finds no room behind eight thousand messages is put back, which costs a write and a read each
// time: it must come again seldom while the channel takes one a second, and nothing may be lost by that.
func TestALongQueueIsNotReadAgainEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := crowded(t)
		time.Sleep(crowdWatch)
		b.q.mu.Lock()
		back := 0
		for _, v := range b.q.settled {
			if v.Ended == jobs.Postponed {
				back++
			}
		}
		b.q.mu.Unlock()
		if looks := back / (crowd - crowdHeld); looks < 10 || looks > 30 {
			t.Errorf("the %d that wait outside were put back %d times in %v", crowd-crowdHeld, looks, crowdWatch)
		}
		if gone := crowd - b.q.left(); gone < int(crowdWatch/time.Second)-1 {
			t.Errorf("%d were sent in %v at one a second", gone, crowdWatch)
		}
		time.Sleep(crowd * time.Second)
		if n := b.q.left(); n != 0 {
			t.Errorf("%d were never sent", n)
		}
	})
}

// TestUrgentFindsRoomInACrowd: an urgent message to somebody else starts at once, however many routine ones wait.
func TestUrgentFindsRoomInACrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := crowded(t)
		time.Sleep(500 * time.Millisecond) // it holds all it may
		b.q.add(jobs.Job{Kind: "n", Key: "page", Pace: "dm", Lane: workflows.LaneUrgent})
		time.Sleep(time.Minute)
		b.want("500ms page")
	})
}
