package slacksim

import (
	"math"
	"time"
)

// rateBook holds the token buckets of EnforceRates, in real time because the app waits in real time.
type rateBook struct {
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// postBurst is how many messages a channel takes at once before one per second holds.
const postBurst = 3

// overRate takes a token and answers 0, or the seconds to wait. The lock is held.
func (w *Workspace) overRate(c *call, m method) int {
	if !w.cfg.EnforceRates {
		return 0
	}
	key, perSecond, burst := c.method, float64(m.tier)/60, float64(m.tier)
	if c.method == "chat.postMessage" {
		key, perSecond, burst = key+" "+c.str("channel"), 1, postBurst
	}
	b := w.rates.buckets[key]
	now := time.Now()
	if b == nil {
		b = &bucket{tokens: burst, at: now}
		w.rates.buckets[key] = b
	}
	b.tokens = min(burst, b.tokens+now.Sub(b.at).Seconds()*perSecond)
	b.at = now
	if b.tokens < 1 {
		return max(1, int(math.Ceil((1-b.tokens)/perSecond)))
	}
	b.tokens--
	return 0
}
