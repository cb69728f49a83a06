package slacksim

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// stableID derives an id from the seed and a name, so that two runs with the same seed give the same people the same ids.
func (w *Workspace) stableID(prefix, name string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", w.cfg.Seed, prefix, name))
	return prefix + "0" + base32.StdEncoding.EncodeToString(sum[:])[:9]
}

// freshID is a new id, different on every call, and repeatable by seed and the clock's start. The start is part of it because an app
// that remembers envelope and event ids must not take those of the next run for repetitions. The lock is held.
func (w *Workspace) freshID(prefix string) string {
	w.serial++
	return w.stableID(prefix, fmt.Sprintf("fresh %d %d", w.epoch, w.serial))
}

// freshHex is a new opaque string in the manner of Slack's hashes and tickets. The lock is held.
func (w *Workspace) freshHex(n int) string {
	w.serial++
	sum := sha256.Sum256(fmt.Appendf(nil, "%d hex %d %d", w.cfg.Seed, w.epoch, w.serial))
	return hex.EncodeToString(sum[:])[:n]
}

func (w *Workspace) freshUUID() string {
	h := w.freshHex(32)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// stamp is a message timestamp: seconds and microseconds, strictly growing even when the clock stands still. The lock is held.
func (w *Workspace) stamp() string {
	us := w.now().UnixMicro()
	if us <= w.lastTS {
		us = w.lastTS + 1
	}
	w.lastTS = us
	return fmt.Sprintf("%d.%06d", us/1e6, us%1e6)
}

// trigger is what lets an app open a modal for one user: 3 seconds, once.
type trigger struct {
	user string
	at   time.Time
	used bool
}

func (w *Workspace) newTrigger(user string) string {
	id := fmt.Sprintf("%d.%d.%s", w.lastTS/1e3, w.serial, w.freshHex(32))
	w.triggers[id] = &trigger{user: user, at: w.now()}
	w.triggerQ = append(w.triggerQ, id)
	if len(w.triggerQ) > maxTriggers {
		delete(w.triggers, w.triggerQ[0])
		w.triggerQ = w.triggerQ[1:]
	}
	return id
}

// spendTrigger uses a trigger up and names its user, or answers Slack's error code.
func (w *Workspace) spendTrigger(id string) (user, code string) {
	t := w.triggers[id]
	switch {
	case t == nil:
		return "", "invalid_trigger_id"
	case t.used:
		return "", "exchanged_trigger_id"
	case w.now().Sub(t.at) > triggerLife:
		return "", "expired_trigger_id"
	}
	t.used = true
	return t.user, ""
}

func (w *Workspace) viewHash() string {
	return fmt.Sprintf("%d.%s", w.now().Unix(), w.freshHex(8))
}

// validTS accepts the form Slack gives timestamps, "1605853634.000400".
func validTS(ts string) bool {
	sec, frac, found := strings.Cut(ts, ".")
	if !found || len(frac) == 0 {
		return false
	}
	return strings.Trim(sec+frac, "0123456789") == "" && sec != ""
}
