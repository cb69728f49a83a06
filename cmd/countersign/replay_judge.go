package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
)

// judge holds decisions against the documents recorded for them. It believes nothing that an entry says about itself where another
// entry or the document can be asked.
type judge struct {
	chronicle
	past      *past
	out       *replayed
	workflows map[workflows.DocHash]*workflows.Workflow // nil: it cannot be used, and that has been said
	runbooks  map[workflows.DocHash]*incidents.Runbook
}

// maxPolicies is how many documents of a kind a judge keeps decoded; a company has tens.
const maxPolicies = 2000

func newJudge(c chronicle, p *past, out *replayed) *judge {
	return &judge{c, p, out, map[workflows.DocHash]*workflows.Workflow{}, map[workflows.DocHash]*incidents.Runbook{}}
}

// wrong says what an entry broke. The sentence begins with which entry.
func (j *judge) wrong(r workflows.Record, format string, args ...any) {
	j.out.add(r.Index, fmt.Sprintf("Entry %d (number %d of %s, %s) %s.", r.Index, r.Seq, printable(string(r.Stream)), r.Event.Kind(),
		printable(fmt.Sprintf(format, args...))))
}

// stream judges one stream. An error means that it could not be read.
func (j *judge) stream(ctx context.Context, s workflows.StreamID) error {
	if !decided(s) {
		return nil // nothing is decided on the others, and the longest is among them
	}
	h, err := j.history(ctx, s)
	if no := (unreadable{}); errors.As(err, &no) {
		j.out.say("%s: %v", s, no.error)
		return nil
	}
	if err != nil || len(h) == 0 {
		return err
	}
	switch s.Kind() { // desk folds neither of them
	case custody.KindCustody:
		j.custody(h)
		return nil
	case workflows.KindPolicy:
		j.policy(h)
		return nil
	}
	h = j.sound(s, h)
	if len(h) == 0 {
		return nil
	}
	switch s.Kind() {
	case workflows.KindRequest:
		return j.request(ctx, h)
	case workflows.KindGrant:
		return j.grants(ctx, h)
	case workflows.KindRunbook:
		return j.runbook(ctx, h)
	case workflows.KindReview:
		return j.review(ctx, h)
	case workflows.KindRun:
		return j.run(ctx, h)
	case workflows.KindIdentity:
		return j.identity(ctx, h)
	case workflows.KindIncident:
		j.incident(h)
	case workflows.KindEscalation:
		j.escalation(h)
	}
	return nil
}

// sound folds a stream and gives the part of it that follows from itself; the first entry that does not is named.
func (j *judge) sound(s workflows.StreamID, h []workflows.Record) []workflows.Record {
	_, err := desk.Outstanding(s, h)
	if err == nil {
		return h
	}
	n := sort.Search(len(h), func(i int) bool {
		_, err := desk.Outstanding(s, h[:i+1])
		return err != nil
	})
	if n == len(h) {
		n-- // it did not fold as a whole
	}
	if cause := errors.Unwrap(err); cause != nil {
		err = cause // without the stream and place, which the sentence begins with
	}
	j.wrong(h[n], "does not follow from those before it: %v", err)
	return h[:n]
}

// of reads a document that an entry names, once. Whether its bytes are those of its hash has been looked at by ledger.Verify for policies
// that entries name as such; here it is looked at for all.
func of[T any](ctx context.Context, j *judge, kept map[workflows.DocHash]*T, r workflows.Record) (*T, error) {
	if w, known := kept[r.Policy]; known {
		return w, nil
	}
	if len(kept) >= maxPolicies {
		clear(kept)
	}
	kept[r.Policy] = nil
	if r.Policy == "" {
		j.wrong(r, "names no document that it was decided by")
		return nil, nil
	}
	b, err := j.document(ctx, r.Policy)
	switch {
	case errors.Is(err, ledger.ErrNoDocument), errors.Is(err, store.ErrNotFound):
		j.wrong(r, "was decided by %s, which is not there", shortHash(r.Policy))
		return nil, nil
	case err != nil:
		return nil, broken(err)
	case workflows.HashDocument(b) != r.Policy:
		j.wrong(r, "was decided by %s, whose bytes are others now", shortHash(r.Policy))
		return nil, nil
	}
	v := new(T)
	if err := json.Unmarshal(b, v); err != nil {
		j.wrong(r, "was decided by %s, which is no policy: %v", shortHash(r.Policy), err)
		return nil, nil
	}
	j.out.Policies++
	kept[r.Policy] = v
	return v, nil
}

// linked holds that the account belonged to the person: nobody decides under somebody else's name. A workload acts under the name of who
// answers for it, for its own identity, and decides nothing.
func (j *judge) linked(r workflows.Record) {
	if j.past.linked(r.Actor, r.Person, r.Index) {
		return
	}
	id, ok := j.past.workload(r.Actor, r.Person, r.Index)
	if !ok {
		j.wrong(r, "is by account %s as %s, but no entry before it links the two", r.Actor, orNobody(r.Person))
		return
	}
	switch e := r.Event.(type) {
	case workflows.Submitted:
		if e.Subject != id {
			j.wrong(r, "is by the workload %s, and for %s", id, e.Subject)
		}
	case workflows.Withdrawn, grants.Ending, grants.SecretTaken:
	default:
		j.wrong(r, "is by the workload %s, and workloads decide nothing", id)
	}
}

func orNobody(p workflows.PersonID) string {
	if p == "" {
		return "nobody"
	}
	return string(p)
}

// place is where a selector was asked: what its parts may refer to.
type place struct {
	at            int64 // entry
	subject       workflows.IdentityID
	owner, backup workflows.PersonID // of the target
}

// yields says why a selector does not give this seat for the reason that is recorded, or nothing. Whether a chat group had the person
// as a member, who was on shift, or who somebody's manager was, was asked of the world then: the entry is the witness of the answer, the
// document of the question.
func (j *judge) yields(sel workflows.Selector, seat workflows.Seat, p place) string {
	if seat.For != "" {
		return j.delegated(sel, seat, p)
	}
	kind, name, _ := strings.Cut(seat.Why, ":")
	if kind == "fallback" && sel.Fallback != nil {
		return j.yields(*sel.Fallback, workflows.Seat{Person: seat.Person, Why: name}, p)
	}
	ok := false
	switch kind {
	case "named":
		ok = slices.Contains(sel.People, seat.Person)
	case "group":
		ok = slices.ContainsFunc(sel.Groups, func(g workflows.Group) bool { return g.Name == name && slices.Contains(g.Members, seat.Person) })
	case "chat":
		ok = slices.Contains(sel.ChatGroups, name)
	case "channel":
		ok = slices.Contains(sel.ChatChannels, name)
	case "rotation":
		ok = slices.Contains(sel.Rotations, name)
	case "target_owner":
		ok = sel.TargetOwner && (seat.Person == p.owner || seat.Person == p.backup)
	case "identity_owner":
		ok = sel.IdentityOwner && j.past.owned(p.subject, seat.Person, p.at)
	case "manager":
		ok = sel.Manager
	default:
		return fmt.Sprintf("%s is there for a reason that no document gives: %q", orNobody(seat.Person), seat.Why)
	}
	switch {
	case seat.Person == "" || !ok:
		return fmt.Sprintf("the document does not name %s (%s)", orNobody(seat.Person), seat.Why)
	case slices.Contains(sel.Exclude, seat.Person):
		return fmt.Sprintf("the document excludes %s", seat.Person)
	}
	return ""
}

// delegated is yields for somebody who sits in the place of another: that one must be yielded, and have named them before.
func (j *judge) delegated(sel workflows.Selector, seat workflows.Seat, p place) string {
	if !j.past.delegate(seat.For, seat.Person, p.at) {
		return fmt.Sprintf("%s never named %s to decide in their place", seat.For, orNobody(seat.Person))
	}
	if slices.Contains(sel.Exclude, seat.Person) {
		return fmt.Sprintf("the document excludes %s", seat.Person)
	}
	return j.yields(sel, workflows.Seat{Person: seat.For, Why: seat.Why}, p)
}

// approved gives a request as it stood when it was approved, with that entry; false when it never was, or does not fold.
func (j *judge) approved(ctx context.Context, id workflows.RequestID) (s workflows.State, at workflows.Record, ok bool, err error) {
	h, err := j.history(ctx, workflows.RequestStream(id))
	if no := (unreadable{}); errors.As(err, &no) {
		return s, at, false, nil
	}
	if err != nil {
		return s, at, false, err
	}
	for i, r := range h {
		if _, is := r.Event.(workflows.Approved); is {
			s, err := workflows.Fold(h[:i+1])
			return s, r, err == nil, nil
		}
	}
	return s, at, false, nil
}

// review judges who gave a verdict on a use of break glass.
func (j *judge) review(_ context.Context, h []workflows.Record) error {
	s, err := reviews.Fold(h)
	if err != nil {
		return nil // said
	}
	for _, r := range h {
		switch e := r.Event.(type) {
		case reviews.Opened:
			j.out.Decisions++
			if e.Owner == "" || e.Owner == e.Invoker || slices.Contains(e.Others, e.Invoker) {
				j.wrong(r, "asks %s to review what they did themselves", e.Invoker)
			}
		case reviews.Joined:
			j.out.Decisions++
			if s.MayReview(e.Invoker) {
				j.wrong(r, "adds a use by %s, who reviews it", e.Invoker)
			}
		case reviews.TaskDone:
			j.out.Decisions++
			j.linked(r)
		case reviews.Closed:
			j.out.Decisions++
			j.linked(r)
			if !s.MayReview(r.Person) {
				j.wrong(r, "is the verdict of %s, who was not asked for it", orNobody(r.Person))
			}
		}
	}
	return nil
}

// find gives the entry on a stream that is of type E and fits; ok is false when there is none.
func find[E workflows.Event](ctx context.Context, j *judge, s workflows.StreamID, fits func(E) bool) (r workflows.Record, e E, ok bool, err error) {
	h, err := j.history(ctx, s)
	if no := (unreadable{}); errors.As(err, &no) {
		err = nil
	}
	for _, r := range h {
		if e, is := r.Event.(E); is && fits(e) {
			return r, e, true, err
		}
	}
	return r, e, false, err
}

func grantCalled(id workflows.GrantID) func(grants.Approved) bool {
	return func(e grants.Approved) bool { return e.Grant == id }
}
