package targets

import (
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// What the notices of a target say.
const (
	NoticeDrift = "drift" // to the owner and the alarm channel: access was found that nobody can account for
	NoticeDrill = "drill" // likewise: taking access back does not work as it should
)

const (
	prefixDrift = NoticeDrift + "/"
	prefixDrill = NoticeDrill + "/"
)

// ListDrift names every target with a finding that stands; member "".
const ListDrift = "targets.drift"

func noticeID(prefix string, seq int64, to string) string {
	return prefix + strconv.FormatInt(seq, 10) + "/" + to
}

func isNoticeOf(id, prefix string, seq int64) bool {
	return strings.HasPrefix(id, noticeID(prefix, seq, ""))
}

func (t telling) hasNotice(id string) bool { return isNoticeOf(id, prefixDrift, t.seq) }

// Notices are the messages that are still owed: one for each sweep that found something which stands, and for a drill that
// failed and was not followed by a better one.
func (s State) Notices() []workflows.Notice {
	var out []workflows.Notice
	owe := func(what, prefix string, seq int64, owner workflows.PersonID, alarm string) {
		if id := noticeID(prefix, seq, string(owner)); owner != "" && !s.told(id) {
			out = append(out, workflows.Notice{ID: id, What: what, To: owner, Urgent: true})
		}
		if id := noticeID(prefix, seq, alarm); alarm != "" && !s.told(id) {
			out = append(out, workflows.Notice{ID: id, What: what, Channel: alarm, Urgent: true})
		}
	}
	for _, t := range s.tellings {
		if s.stands(t) {
			owe(NoticeDrift, prefixDrift, t.seq, t.owner, t.alarm)
		}
	}
	if s.drill > 0 && !s.Drilled.OK {
		owe(NoticeDrill, prefixDrill, s.drill, s.Drilled.Owner, s.Drilled.Alarm)
	}
	return out
}

func (s State) told(id string) bool { _, done := s.Delivered[id]; return done }

// FindNotice gives an owed notice by its id; false when it is delivered or no longer owed.
func (s State) FindNotice(id string) (workflows.Notice, bool) {
	for _, n := range s.Notices() {
		if n.ID == id {
			return n, true
		}
	}
	return workflows.Notice{}, false
}

// Pending is everything the stream still owes to the world.
func Pending(s State) []workflows.Job {
	var out []workflows.Job
	for _, n := range s.Notices() {
		out = append(out, n.Job())
	}
	return out
}

// Listings are the lists the stream stands on.
func Listings(s State) []workflows.Listing {
	if s.Standing() == 0 {
		return nil
	}
	return []workflows.Listing{{List: ListDrift, Sort: int64(s.SweptAt)}}
}
