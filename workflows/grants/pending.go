package grants

import (
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

// JobVerify asks the target again whether an unconfirmed revocation has taken hold.
const JobVerify = "grant.verify"

// NextWake is the next end or alarm of the stream, or zero.
func NextWake(s State) workflows.Stamp {
	var next workflows.Stamp
	soonest := func(at workflows.Stamp) {
		if at != 0 && (next == 0 || at < next) {
			next = at
		}
	}
	for _, h := range s.Holds {
		switch h.Status {
		case StatusApproved, StatusActive:
			soonest(h.Ends.UTC)
			soonest(h.unverifiedEnds().UTC)
		case StatusEnding:
			soonest(h.alarmAt())
		}
	}
	return next
}

// Pending is everything the stream still owes to the world.
func Pending(s State) []workflows.Job {
	var out []workflows.Job
	if at := NextWake(s); at != 0 {
		out = append(out, workflows.Job{Kind: workflows.JobWake, Key: "wake", Due: at, Lane: workflows.LaneUrgent})
	}
	for _, h := range s.Holds {
		id := string(h.Approved.Grant)
		switch {
		case h.Status == StatusApproved && !s.mustWait(h):
			out = append(out, workflows.Job{Kind: workflows.JobStart, Key: id, Due: h.Approved.StartsAt})
		case h.Status == StatusEnding:
			out = append(out, workflows.Job{Kind: workflows.JobRevoke, Key: id, Lane: workflows.LaneUrgent})
		case h.Status == StatusEnded && h.unread():
			out = append(out, workflows.Job{Kind: JobVerify, Key: id})
		}
	}
	for _, h := range s.Holds {
		out = append(out, h.secretJobs()...)
	}
	for _, n := range s.Notices() {
		out = append(out, n.Job())
	}
	return out
}

// mustWait tells whether a shared membership is just being taken back: making it again before that is done would let the
// revocation of the old grant take away the new one.
func (s State) mustWait(h Hold) bool {
	if !h.Approved.Shared {
		return false
	}
	for _, o := range s.Holds {
		if o.Status == StatusEnding && o.Approved.isSame(h.Approved) {
			return true
		}
	}
	return false
}

// Notices are the messages that are still owed.
func (s State) Notices() []workflows.Notice {
	var out []workflows.Notice
	for _, h := range s.Holds {
		for _, n := range h.notices() {
			if _, done := s.Delivered[n.ID]; !done {
				out = append(out, n)
			}
		}
	}
	return out
}

func (h Hold) notices() []workflows.Notice {
	a := h.Approved
	holder := a.Identity.Person()
	if holder == "" {
		holder = a.Requester
	}
	note := func(what string, to workflows.PersonID, urgent bool) workflows.Notice {
		return workflows.Notice{ID: what + "/" + string(a.Grant) + "/" + string(to), What: what, To: to, Grant: a.Grant, Urgent: urgent}
	}
	var out []workflows.Notice
	switch {
	case h.Status == StatusActive:
		out = append(append(out, note(workflows.NoticeReady, holder, true)), h.doubts()...)
	case h.Status == StatusFailed:
		out = append(out, note(workflows.NoticeFailed, holder, true))
	case h.Status == StatusEnded && h.StartedAt.UTC != 0 && !h.unread():
		out = append(out, note(workflows.NoticeEnded, holder, false))
	case h.Status == StatusEnding && h.Level > 0:
		seen := map[workflows.PersonID]bool{"": true}
		to := []workflows.PersonID{a.Owner}
		if h.Level > 1 {
			to = append(to, a.Approvers...)
		}
		for _, p := range to {
			if !seen[p] {
				seen[p] = true
				out = append(out, note(workflows.NoticeOverdue, p, true))
			}
		}
		if a.Alarm != "" {
			out = append(out, workflows.Notice{
				ID: workflows.NoticeOverdue + "/" + string(a.Grant) + "/" + a.Alarm, What: workflows.NoticeOverdue,
				Channel: a.Alarm, Grant: a.Grant, Urgent: true,
			})
		}
	}
	return append(out, h.leakNotices()...)
}

// FindNotice gives an owed notice by its id; false when it is delivered or no longer owed.
func (s State) FindNotice(id string) (workflows.Notice, bool) {
	for _, n := range s.Notices() {
		if n.ID == id {
			return n, true
		}
	}
	return workflows.Notice{}, false
}

// The lists of grants. A list names the stream; the hold is found by folding it.
const (
	ListActive = "grants.active"  // member: the holder, or the requester of a non-human one; "" for all
	ListByID   = "grants.id"      // member: the grant id
	ListTarget = "grants.target"  // member: the target; live ones
	ListActsAs = "grants.acts_as" // member: the non-human identity that a person acts, or acted, as
	ListTicket = "grants.ticket"  // member: the ticket whose closing ends the access; live ones
)

// Listings are the lists the stream stands on.
func Listings(s State) []workflows.Listing {
	var out []workflows.Listing
	live := false
	for _, h := range s.Holds {
		out = append(out, workflows.Listing{List: ListByID, Member: string(h.Approved.Grant), Sort: int64(h.At.UTC)})
		live = live || h.Live()
	}
	out = append(out, s.secretListings()...)
	out = append(out, s.keyListings()...)
	if i := slices.IndexFunc(s.Holds, func(h Hold) bool { return h.Approved.ActsAs.Identity != "" }); i >= 0 {
		out = append(out, workflows.Listing{List: ListActsAs, Member: string(s.Holds[i].Approved.ActsAs.Identity), Sort: int64(s.Holds[i].At.UTC)})
	}
	if !live {
		return out
	}
	last := s.Holds[len(s.Holds)-1]
	at := int64(last.At.UTC)
	out = append(out, workflows.Listing{List: ListActive, Member: "", Sort: at},
		workflows.Listing{List: ListTarget, Member: string(last.Approved.Target), Sort: at})
	seen := map[workflows.PersonID]bool{"": true}
	for _, h := range s.Holds {
		if ticket := workflows.PersonID("ticket " + h.Approved.Ticket); h.Live() && h.Approved.Ticket != "" && !seen[ticket] {
			seen[ticket] = true
			out = append(out, workflows.Listing{List: ListTicket, Member: h.Approved.Ticket, Sort: at})
		}
		for _, p := range []workflows.PersonID{h.Approved.Identity.Person(), h.Approved.Requester} {
			if h.Live() && !seen[p] {
				seen[p] = true
				out = append(out, workflows.Listing{List: ListActive, Member: string(p), Sort: at})
			}
		}
	}
	return out
}
