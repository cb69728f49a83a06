package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
)

// View is a request with everything a screen shows of it.
type View struct {
	State       workflows.State
	Workflow    *workflows.Workflow // the version that binds it
	Entitlement workflows.Entitlement
	Stream      workflows.StreamID
	Hold        *grants.Hold // what it brought about, once approved
	Book        *Book        // of a runbook: the text asked for, if it is still the current one
}

// Look reads a request without asking who reads it: for cards and jobs.
func (d *Desk) Look(ctx context.Context, id workflows.RequestID) (View, error) {
	s, w, err := d.request(ctx, id)
	if err != nil {
		return View{}, err
	}
	v := View{State: s, Workflow: w, Stream: workflows.RequestStream(id)}
	v.Entitlement, _ = w.Entitlement(s.Asked.Target, s.Asked.Entitlement)
	if b, ok := d.Policy().Runbooks[s.Asked.Runbook]; ok && b.Runbook.Document == s.Asked.Document {
		v.Book = &b
		if s.Asked.Request == workflows.KindRoutine {
			v.Workflow = b.FormOf(w)
		}
	}
	if s.Grant == "" || s.Asked.Request.OfRunbook() {
		return v, nil
	}
	hold, _, err := d.hold(ctx, effectStreams(s)[0], s.Grant)
	if err != nil {
		return View{}, fmt.Errorf("reading what %q brought about: %w", id, err)
	}
	v.Hold = &hold
	return v, nil
}

func (d *Desk) hold(ctx context.Context, stream workflows.StreamID, id workflows.GrantID) (grants.Hold, bool, error) {
	h, err := d.ledger.History(ctx, stream)
	if err != nil {
		return grants.Hold{}, false, err
	}
	s, err := grants.Fold(h)
	if err != nil {
		return grants.Hold{}, false, err
	}
	hold, ok := s.Find(id)
	if !ok {
		return hold, false, workflows.ErrNoStream
	}
	return hold, true, nil
}

// LookAs reads a request for a person. What the person may not see and what does not exist are the same answer.
func (d *Desk) LookAs(ctx context.Context, p workflows.PersonID, id workflows.RequestID) (View, error) {
	v, err := d.Look(ctx, id)
	if errors.Is(err, workflows.ErrNoStream) {
		return View{}, workflows.Unknown()
	}
	if err != nil {
		return View{}, err
	}
	if !d.maySee(ctx, p, v) {
		return View{}, workflows.Unknown()
	}
	return v, nil
}

func (d *Desk) maySee(ctx context.Context, p workflows.PersonID, v View) bool {
	if p == "" {
		return false
	}
	_, listed := d.Policy().People[p]
	switch {
	case slices.Contains(v.State.Parties(), p), p == v.Entitlement.Owner, p == v.Entitlement.Backup:
		return true
	case v.Workflow.SeenBy == workflows.SeenByMembers && listed:
		return true
	}
	return d.HasRole(ctx, RoleSecurity, p) || d.HasRole(ctx, RoleAuditor, p)
}

// Requests reads one of the lists of requests (workflows.List…) of a person, newest first; limit 0 is all of them.
func (d *Desk) Requests(ctx context.Context, list string, p workflows.PersonID, limit int) ([]View, error) {
	read := func(s workflows.StreamID) (View, error) { return d.Look(ctx, workflows.RequestID(s.Rest())) }
	return listed(ctx, d, list, string(p), limit, read, func(v View) workflows.Instant { return v.State.At })
}

// Holding is one live grant with its stream.
type Holding struct {
	Stream workflows.StreamID
	Hold   grants.Hold
}

// lastHeld is when the newest of a stream's grants was approved.
func lastHeld(s grants.State) (at workflows.Instant) {
	if n := len(s.Holds); n > 0 {
		at = s.Holds[n-1].At
	}
	return at
}

// Grants reads the live grants of a person (held or sponsored), soonest end first. The empty person reads everybody's; limit 0 is all of them.
func (d *Desk) Grants(ctx context.Context, p workflows.PersonID, limit int) ([]Holding, error) {
	read := func(stream workflows.StreamID) (grants.State, error) { return d.grantState(ctx, stream) }
	states, err := listed(ctx, d, grants.ListActive, string(p), limit, read, lastHeld)
	if err != nil {
		return nil, err
	}
	var out []Holding
	for _, s := range states {
		for _, hold := range s.Holds {
			if hold.Live() && (p == "" || hold.Approved.Requester == p || hold.Approved.Identity.Person() == p) {
				out = append(out, Holding{s.Stream, hold})
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Hold.Ends.UTC < out[j].Hold.Ends.UTC })
	return out, nil
}

// Grant reads one grant by its id.
func (d *Desk) Grant(ctx context.Context, id workflows.GrantID) (Holding, error) {
	stream, err := d.grantStream(ctx, id)
	if err != nil {
		return Holding{}, err
	}
	if stream == "" {
		return Holding{}, workflows.ErrNoStream
	}
	hold, _, err := d.hold(ctx, stream, id)
	return Holding{stream, hold}, err
}

// Reviews reads the open reviews that a person may close; the empty person reads all open ones.
func (d *Desk) Reviews(ctx context.Context, p workflows.PersonID, limit int) ([]reviews.State, error) {
	read := func(s workflows.StreamID) (reviews.State, error) { return d.Review(ctx, workflows.ReviewID(s.Rest())) }
	return listed(ctx, d, reviews.ListOpen, string(p), limit, read, func(r reviews.State) workflows.Instant { return r.At })
}

// Review reads one review.
func (d *Desk) Review(ctx context.Context, id workflows.ReviewID) (reviews.State, error) {
	h, err := d.ledger.History(ctx, workflows.ReviewStream(id))
	if err != nil {
		return reviews.State{}, err
	}
	return reviews.Fold(h)
}

// Offer is something a person can ask for.
type Offer struct {
	Version  Version
	Subjects []workflows.IdentityID // the person first, then those who report to them and identities they own, as far as the workflow allows
}

// Catalogue is what a person may ask for, by title.
func (d *Desk) Catalogue(ctx context.Context, person workflows.PersonID) ([]Offer, error) {
	p := d.Policy()
	var out []Offer
	for _, v := range p.Workflows {
		if v.Workflow.Kind == workflows.KindRoutine {
			continue // a runbook is asked for, see Routines
		}
		_, may, err := d.mayAsk(ctx, p, v.Workflow, person)
		if err != nil {
			return nil, err
		}
		if !may {
			continue
		}
		o := Offer{Version: v}
		if v.Workflow.Allows(workflows.ForSelf) || v.Workflow.Kind.OfRunbook() {
			o.Subjects = append(o.Subjects, person.Identity())
		}
		if v.Workflow.Allows(workflows.ForReports) {
			o.Subjects = append(o.Subjects, p.Reports(person)...)
		}
		if v.Workflow.Allows(workflows.ForOwned) {
			owned, err := d.Owned(ctx, person)
			if err != nil {
				return nil, err
			}
			o.Subjects = append(o.Subjects, owned...)
		}
		if len(o.Subjects) > 0 {
			out = append(out, o)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Version.Workflow.Title < out[j].Version.Workflow.Title })
	return out, nil
}

// identity finds a non-human identity in the inventory, unless it has expired by now.
func (p *Policy) identity(id workflows.IdentityID, now workflows.Stamp) (Identity, bool) {
	return p.identityAs("", id, now)
}

// identityAs is identity for a request of a kind.
func (p *Policy) identityAs(kind workflows.RequestKind, id workflows.IdentityID, now workflows.Stamp) (Identity, bool) {
	i, ok := p.knownAs(kind, id)
	return i, ok && (!now.After(i.Expires) || kind == workflows.KindLife)
}

// Owned are the non-human identities that a person owns or backs up, in order.
func (p *Policy) Owned(person workflows.PersonID) []workflows.IdentityID {
	var out []workflows.IdentityID
	for id, i := range p.Identities {
		if person != "" && (i.Owner == person || i.Backup == person) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// Reports are the people whose manager somebody is, in order.
func (p *Policy) Reports(person workflows.PersonID) []workflows.IdentityID {
	var out []workflows.IdentityID
	for id, x := range p.People {
		if person != "" && x.Manager == person {
			out = append(out, id.Identity())
		}
	}
	slices.Sort(out)
	return out
}

// BookView is a runbook with whether it may be invoked now.
type BookView struct {
	Book  Book
	State incidents.State
	Until workflows.Stamp
	Left  int
	No    *workflows.Refusal
	May   bool // the person is among its invokers

	Around bool // the person is on its short list for emergencies
}

// Runbooks lists all runbooks with their readiness for a person, by id.
func (d *Desk) Runbooks(ctx context.Context, person workflows.PersonID, now workflows.Stamp) ([]BookView, error) {
	p := d.Policy()
	var out []BookView
	for id, b := range p.Runbooks {
		h, err := d.ledger.History(ctx, workflows.RunbookStream(id))
		if err != nil {
			return nil, err
		}
		s, err := incidents.Fold(h)
		if err != nil {
			return nil, err
		}
		v := BookView{Book: b, State: s}
		var a incidents.Approval
		a, v.Left, v.No = s.Readiness(b.Runbook.Document, now)
		v.Until = a.Until
		v.Around = b.Runbook.BreakGlass != nil && slices.Contains(b.Runbook.BreakGlass.People.People, person)
		v.May, _ = d.among(ctx, p, b.Runbook.Invokers, asked{requester: person}, person)
		out = append(out, v)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Book.Runbook.ID < out[j].Book.Runbook.ID })
	return out, nil
}
