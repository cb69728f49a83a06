package identities

import (
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Kinds of job of identities and people.
const (
	JobEmpty    = "identity.empty"   // take back everything that the identity holds; finished by identity.emptied
	JobHandOver = "person.hand_over" // what a person who left held and owned; finished by person.handed_over
)

// The lists of identities.
const (
	ListOwned    = "identities.owned"    // member: a person who owns or backs it up
	ListRotating = "identities.rotating" // member: ""; those whose secret is to be replaced
	ListGiven    = "identities.given"    // member: a target; those whose account has there what requests gave it
	ListAsked    = "identities.asked"    // member: a person who is asked to take it over; "" for all that are being handed over
)

// Notices of identities.
const (
	NoticeHandover  = "identity_handover"
	NoticeSuspended = "identity_suspended"
	NoticeRenew     = "identity_renew"
	NoticeRotate    = "identity_rotate"
	NoticeTaken     = "identity_taken"
	NoticeAccount   = "identity_account"
)

// Pending is everything that the identity still owes to the world.
func Pending(s IdentityState) []workflows.Job {
	var out []workflows.Job
	if at := NextWake(s); at != 0 {
		out = append(out, workflows.Job{Kind: workflows.JobWake, Key: "wake", Due: at})
	}
	if seq := s.emptyFor(); seq != 0 {
		out = append(out, workflows.Job{Kind: JobEmpty, Key: strconv.FormatInt(seq, 10), Lane: workflows.LaneUrgent})
	}
	if s.unlocks() {
		out = append(out, workflows.Job{Kind: JobUnlock, Key: string(s.Life.Locked)})
	}
	if a := s.MakesAccount(); a != nil {
		out = append(out, workflows.Job{Kind: JobMake, Key: string(a.Request)})
	}
	if s.RenewalDue() {
		out = append(out, workflows.Job{Kind: JobRenew, Key: s.Life.AskedFor.String()[:10]})
	}
	for _, n := range s.Notices() {
		out = append(out, n.Job())
	}
	return out
}

// emptyFor is the entry that demands that everything is taken back, while that was not done; zero: none.
func (s IdentityState) emptyFor() int64 {
	if s.Life.Suspended != nil && s.Life.SuspendSeq > s.Life.Emptied {
		return s.Life.SuspendSeq
	}
	if s.Quarantine.On && s.Quarantine.Seq > s.Life.Emptied {
		return s.Quarantine.Seq
	}
	if t := s.Life.Retirement; t != nil && !s.Life.Retired {
		if _, done := t.Done["grants"]; !done {
			return max(s.Life.RetireSeq, 1)
		}
	}
	return 0
}

// PersonPending is what a person's departure still owes.
func PersonPending(s PersonState) []workflows.Job {
	if s.Owes == 0 {
		return nil
	}
	return []workflows.Job{{Kind: JobHandOver, Key: strconv.FormatInt(s.Owes, 10), Lane: workflows.LaneUrgent}}
}

// Notices are the messages that are still owed.
func (s IdentityState) Notices() []workflows.Notice {
	var out []workflows.Notice
	owe := func(what, about string, to workflows.PersonID, urgent bool) {
		n := workflows.Notice{ID: what + "/" + about + "/" + string(to), What: what, To: to, Urgent: urgent}
		if to != "" && !s.Life.Delivered[n.ID] {
			out = append(out, n)
		}
	}
	if h := s.Life.Handover; h != nil {
		for _, p := range h.Asked() {
			owe(NoticeHandover, h.Handover, p, h.Why == WhyLeaver)
		}
	}
	e := s.Entry()
	people := []workflows.PersonID{ownerPerson(e.Owner), ownerPerson(e.Backup)}
	out = append(out, s.leakNotices(people)...)
	out = append(out, s.exceptionNotices(people)...)
	if s.Life.Suspended != nil {
		for _, p := range people {
			owe(NoticeSuspended, strconv.FormatInt(s.Life.SuspendSeq, 10), p, true)
		}
		return out
	}
	if o := s.Opened(); o != nil && s.Life.AskedFor == e.Expires {
		owe(NoticeRenew, e.Expires.String()[:10], people[0], false)
		if o.For != people[0] {
			owe(NoticeRenew, e.Expires.String()[:10], o.For, false)
		}
	}
	if a := s.ByHand(); a != nil {
		owe(NoticeAccount, string(a.Request), people[0], false)
	}
	if r := s.Rotating(); r != nil {
		owe(NoticeRotate, r.Rotation, people[0], r.Why == RotateLeak)
	}
	return out
}

// ownerPerson is an owner who is a person; empty for a team.
func ownerPerson(owner string) workflows.PersonID {
	if strings.HasPrefix(owner, "p_") {
		return workflows.PersonID(owner)
	}
	return ""
}

// FindNotice gives an owed notice by its id; false when it is delivered or no longer owed.
func (s IdentityState) FindNotice(id string) (workflows.Notice, bool) {
	for _, n := range s.Notices() {
		if n.ID == id {
			return n, true
		}
	}
	return workflows.Notice{}, false
}

// Listings are the lists that the identity stands on.
func Listings(s IdentityState) []workflows.Listing {
	if !s.Life.Lively || s.Row() == nil {
		return nil // the folder says who owns it; ledgers older than these lists have nothing else
	}
	at := int64(s.First.UTC)
	e := s.Entry()
	var out []workflows.Listing
	seen := map[string]bool{}
	add := func(list, member string) {
		if !seen[list+"/"+member] {
			seen[list+"/"+member] = true
			out = append(out, workflows.Listing{List: list, Member: member, Sort: at})
		}
	}
	for _, p := range []string{e.Owner, e.Backup} {
		if ownerPerson(p) != "" && !s.Life.Retired {
			add(ListOwned, p)
		}
	}
	if s.Rotating() != nil && !s.Life.Retired {
		add(ListRotating, "")
	}
	for _, g := range s.Life.Given {
		if !s.Life.Retired {
			add(ListGiven, string(g.Target))
		}
	}
	if len(s.OpenExceptions()) > 0 {
		add(ListExceptions, "")
	}
	if h := s.Life.Handover; h != nil {
		add(ListAsked, "")
		for _, p := range h.Asked() {
			add(ListAsked, string(p))
		}
	}
	return out
}
