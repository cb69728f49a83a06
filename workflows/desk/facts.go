package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// "Should this still be allowed?" is asked before the target is called and again for as long as access lasts. Each fact answers yes, no or
// cannot tell; package grants decides what follows.

const (
	factWait      = 5 * time.Second  // for one answer of the world: a sweep goes on to the next grant
	factBreak     = 3                // failures in a row after which a source is not asked again in the same sweep
	factMemory    = 15 * time.Minute // how old the last answer about a person may be where the directory does not give one: it limits how often it is asked
	maxRemembered = 20_000           // people whose last answer is kept: some 2 MB
)

// memory is what the directory said last about people, for the time in which it does not answer.
type memory struct {
	mu   sync.Mutex
	rows map[workflows.PersonID]remembered
}

type remembered struct {
	standing workflows.Standing
	at       workflows.Stamp
}

func (m *memory) put(p workflows.PersonID, s workflows.Standing, at workflows.Stamp) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows == nil || len(m.rows) >= maxRemembered {
		m.rows = map[workflows.PersonID]remembered{}
	}
	m.rows[p] = remembered{s, at}
}

func (m *memory) get(p workflows.PersonID, now workflows.Stamp) (workflows.Standing, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.rows[p]
	return r.standing, ok && now < r.at.Add(factMemory)
}

func (m *memory) forget(p workflows.PersonID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rows, p)
}

// inquiry asks the world everything once, however many grants hang on the answer. It serves one sweep and one goroutine.
type inquiry struct {
	d        *Desk
	policy   *Policy
	now      workflows.Stamp
	recall   bool // what the directory said lately counts where it does not answer
	people   map[workflows.PersonID]told
	tasks    map[string]toldTask
	postures map[string]grants.Fact
	failed   map[string]int // by source: failures in a row
}

// toldTask is what a source said of a task, or an error.
type toldTask struct {
	task workflows.Task
	err  error
}

// need is what access wants of a task: who asked for it, by which documents, and when it is or would begin to be used.
type need struct {
	requester workflows.PersonID
	terms     []workflows.TaskTerms
	at        workflows.Stamp
}

// told is what the directory said of a person: why they may not hold anything, or an error.
type told struct {
	no  *workflows.Refusal
	err error
}

func (d *Desk) inquire(ctx context.Context, recall bool) (*inquiry, error) {
	now, err := d.now(ctx)
	return &inquiry{
		d: d, policy: d.Policy(), now: now, recall: recall, people: map[workflows.PersonID]told{},
		tasks: map[string]toldTask{}, postures: map[string]grants.Fact{}, failed: map[string]int{},
	}, err
}

// asks runs one question to a source, unless it has just failed too often.
func (q *inquiry) asks(ctx context.Context, source string, fn func(context.Context) error) error {
	if q.failed[source] >= factBreak {
		return fmt.Errorf("%s did not answer lately", source)
	}
	ctx, cancel := context.WithTimeout(ctx, factWait)
	defer cancel()
	err := fn(ctx)
	if err != nil {
		q.failed[source]++
		q.d.log.WarnContext(ctx, "a fact behind access cannot be told", "source", source, "err", err)
		return err
	}
	q.failed[source] = 0
	return nil
}

// person asks about somebody behind a grant.
func (q *inquiry) person(ctx context.Context, p workflows.PersonID) told {
	if t, ok := q.people[p]; ok {
		return t
	}
	var s workflows.Standing
	err := q.asks(ctx, "the directory", func(ctx context.Context) (err error) {
		s, err = q.d.directory.StandingOf(ctx, p)
		return err
	})
	if err == nil && !s.Known && !s.Quarantined {
		err = fmt.Errorf("asking about %s: the directory did not answer", p)
	}
	if err == nil {
		q.d.seen15.put(p, s, q.now)
	} else if last, ok := q.d.seen15.get(p, q.now); ok && q.recall {
		s, err = last, nil
	}
	t := told{no: s.HoldRefusal(), err: err}
	q.people[p] = t
	return t
}

func (t told) fact(name string) grants.Fact {
	switch {
	case t.err != nil:
		return grants.Fact{Name: name, Answer: grants.CannotTell, Why: "The directory of people does not answer."}
	case t.no != nil:
		return grants.Fact{Name: name, Answer: grants.No, Why: t.no.Sentence}
	}
	return grants.Fact{Name: name, Answer: grants.Yes}
}

// facts are all answers about one grant. A grant that an emergency gave hangs on nothing that may be down: neither documents nor tasks.
func (q *inquiry) facts(ctx context.Context, hold grants.Hold) ([]grants.Fact, error) {
	a := hold.Approved
	out := []grants.Fact{q.person(ctx, a.Requester).fact(grants.FactRequester)}
	if p := a.Identity.Person(); p != "" && p != a.Requester {
		out = append(out, q.person(ctx, p).fact(grants.FactHolder))
	}
	if !a.Identity.IsPerson() {
		f, err := q.identity(ctx, a.Identity)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	if a.ActsAs.Identity != "" {
		f, err := q.identity(ctx, a.ActsAs.Identity)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	if len(a.Approvers) > 0 {
		out = append(out, q.approvers(ctx, a.Approvers))
	}
	if a.Request == "" {
		return out, nil
	}
	s, w, err := q.d.request(ctx, a.Request)
	if err != nil {
		return nil, err
	}
	out = append(out, q.documents(ctx, s))
	if f, ok := q.task(ctx, a.Ticket, need{a.Requester, q.taskTerms(s, w), max(q.now, a.StartsAt)}); ok {
		out = append(out, f)
	}
	if f, ok := q.posture(ctx, a.Identity, q.claims(s, w)); ok {
		out = append(out, f)
	}
	return out, nil
}

// sponsor is the fact about who answered for a non-human holder when it was asked for; none where there is none.
func (q *inquiry) sponsor(ctx context.Context, hold grants.Hold) ([]grants.Fact, error) {
	if hold.Approved.Request == "" {
		return nil, nil
	}
	s, _, err := q.d.request(ctx, hold.Approved.Request)
	if err != nil || s.Asked.Sponsor == "" {
		return nil, err
	}
	return []grants.Fact{q.person(ctx, s.Asked.Sponsor).fact(grants.FactSponsor)}, nil
}

// identity is the fact of a non-human holder: in the inventory, not past its end, not quarantined, and somebody active answers for it.
func (q *inquiry) identity(ctx context.Context, id workflows.IdentityID) (grants.Fact, error) {
	f := grants.Fact{Name: grants.FactIdentity, Answer: grants.No}
	locked, err := q.d.isQuarantined(ctx, id)
	if err != nil {
		return f, err
	}
	x, ok := q.policy.identity(id, q.now)
	switch {
	case locked:
		f.Why = "The identity is quarantined."
		return f, nil
	case !ok:
		f.Why = "The identity is no longer in the inventory, or has expired there."
		return f, nil
	}
	var unknown bool
	for _, p := range []workflows.PersonID{x.Owner, x.Backup} {
		if p == "" {
			continue
		}
		t := q.person(ctx, p)
		if t.err == nil && t.no == nil {
			return grants.Fact{Name: grants.FactIdentity, Answer: grants.Yes}, nil
		}
		unknown = unknown || t.err != nil
	}
	if unknown {
		return grants.Fact{Name: grants.FactIdentity, Answer: grants.CannotTell, Why: "The directory does not say whether its owner is still active."}, nil
	}
	f.Why = "The identity is orphaned: neither its owner nor its backup is active."
	return f, nil
}

// approvers is the fact about those whose votes made it. Only that one of them has left or is locked counts; that their shift is over or their
// group changed does not.
func (q *inquiry) approvers(ctx context.Context, list []workflows.PersonID) grants.Fact {
	f := grants.Fact{Name: grants.FactApprovers, Answer: grants.Yes}
	for _, p := range list {
		t := q.person(ctx, p)
		switch {
		case t.err != nil && f.Answer == grants.Yes:
			f.Answer, f.Why = grants.CannotTell, "The directory of people does not answer."
		case t.err == nil && t.no != nil && (t.no.Code == workflows.CodeInactive || t.no.Code == workflows.CodeQuarantined):
			return grants.Fact{Name: grants.FactApprovers, Answer: grants.No, Why: "Somebody who approved it has left or is quarantined."}
		}
	}
	return f
}

// documents is the fact whether the documents in force still allow what was asked for, to who asked.
func (q *inquiry) documents(ctx context.Context, s workflows.State) grants.Fact {
	f := grants.Fact{Name: grants.FactPolicy, Answer: grants.No}
	if f.Why = gone(q.policy, s, q.now); f.Why != "" {
		return f
	}
	v := q.policy.Workflows[s.Asked.Workflow]
	var may bool
	err := q.asks(ctx, "the directory", func(ctx context.Context) (err error) {
		_, may, err = q.d.mayAskEver(ctx, q.policy, v.Workflow, s.Requester.Person)
		return err
	})
	switch {
	case err != nil:
		return grants.Fact{Name: grants.FactPolicy, Answer: grants.CannotTell, Why: "Who may ask for it cannot be asked just now."}
	case !may:
		f.Why = "Who asked for it may not ask for it any more."
		return f
	}
	return grants.Fact{Name: grants.FactPolicy, Answer: grants.Yes}
}

// claims are what must hold about the holder: by the documents that bind the request, and by those in force.
func (q *inquiry) claims(s workflows.State, w *workflows.Workflow) []string {
	out := slices.Clone(w.Posture)
	if v, ok := q.policy.Workflows[s.Asked.Workflow]; ok {
		out = append(out, v.Workflow.Posture...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// taskTerms are what the task must be like: by the documents that bind the request, and by those in force.
func (q *inquiry) taskTerms(s workflows.State, w *workflows.Workflow) []workflows.TaskTerms {
	out := w.TaskTerms()
	if v, ok := q.policy.Workflows[s.Asked.Workflow]; ok {
		out = append(out, v.Workflow.TaskTerms()...)
	}
	return out
}

// task is the fact of the ticket that access must not outlast; false where none is or nobody could be asked about it. A name that no system of
// tasks keeps may be an incident of the ledger's own.
func (q *inquiry) task(ctx context.Context, ref string, want need) (grants.Fact, bool) {
	if ref == "" {
		return grants.Fact{}, false
	}
	t, ok := q.tasks[ref]
	if !ok {
		if t, ok = q.askTask(ctx, ref); !ok {
			return grants.Fact{}, false
		}
		q.tasks[ref] = t
	}
	f := grants.Fact{Name: grants.FactTask, Answer: grants.Yes, Source: t.task.Source}
	if t.err != nil {
		f.Answer, f.Why = grants.CannotTell, "The source of ticket "+ref+" does not answer."
	} else if why := t.task.Against(ref, want.terms, q.knownAs(want.requester, t.task.Source), want.at); why != "" {
		f.Answer, f.Why = grants.No, why
	}
	return f, true
}

// ticketOf is the fact of the ticket that access hangs on; false where it hangs on none that somebody could be asked about.
func (q *inquiry) ticketOf(ctx context.Context, h grants.Hold) (grants.Fact, bool, error) {
	a := h.Approved
	if a.Ticket == "" || a.Request == "" {
		return grants.Fact{}, false, nil
	}
	s, w, err := q.d.request(ctx, a.Request)
	if err != nil {
		return grants.Fact{}, false, err
	}
	f, ok := q.task(ctx, a.Ticket, need{a.Requester, q.taskTerms(s, w), max(q.now, a.StartsAt)})
	return f, ok, nil
}

// askTask asks whoever answers for a reference; false: nobody does.
func (q *inquiry) askTask(ctx context.Context, ref string) (t toldTask, ok bool) {
	src := q.d.taskSource(ref)
	if src == nil {
		return q.ownIncident(ctx, ref)
	}
	t.err = q.asks(ctx, "task source "+src.Name(), func(ctx context.Context) (err error) {
		t.task, err = src.Task(ctx, ref)
		return err
	})
	t.task.Source = src.Name()
	return t, true
}

// ownIncident is an incident that the ledger keeps, as a task: its commander is whom it is assigned to. False where it keeps none of this name.
func (q *inquiry) ownIncident(ctx context.Context, ref string) (t toldTask, ok bool) {
	t.task = workflows.Task{Source: "the ledger", Ref: ref, Incident: true, Exists: true}
	i, err := q.d.Incident(ctx, ref)
	switch {
	case errors.Is(err, workflows.ErrNoStream):
		return t, false
	case err != nil:
		q.d.log.WarnContext(ctx, "a fact behind access cannot be told", "source", t.task.Source, "err", err)
		t.err = err
		return t, true
	}
	t.task.Open = i.Closed == nil
	if i.Commander != "" {
		t.task.Assignees = []string{string(i.Commander)}
	}
	return t, true
}

// knownAs are the names by which a system of tasks may know a person; the ledger knows their pseudonym.
func (q *inquiry) knownAs(p workflows.PersonID, source string) []string {
	who := q.policy.People[p]
	return []string{who.Email, who.Accounts[workflows.TargetID(source)], string(p)}
}

// taskSource finds who answers for a reference; nil: nobody.
func (d *Desk) taskSource(ref string) TaskSource {
	for _, s := range d.tasks {
		if s.Covers(ref) {
			return s
		}
	}
	return nil
}

// posture is the fact of the claims about a holder; false where the documents need none. A claim that nobody has made lately cannot be told.
func (q *inquiry) posture(ctx context.Context, holder workflows.IdentityID, claims []string) (grants.Fact, bool) {
	worst := grants.Fact{Name: grants.FactPosture, Answer: grants.Yes}
	for _, c := range claims {
		key := string(holder) + "\x00" + c
		f, ok := q.postures[key]
		if !ok {
			f = q.claim(ctx, holder, c)
			q.postures[key] = f
		}
		if f.Answer == grants.No || f.Answer == grants.CannotTell && worst.Answer == grants.Yes {
			worst = f
		}
	}
	return worst, len(claims) > 0
}

// claim asks all sources about one claim: a fresh no counts first, then a fresh yes.
func (q *inquiry) claim(ctx context.Context, holder workflows.IdentityID, claim string) grants.Fact {
	f := grants.Fact{Name: grants.FactPosture, Answer: grants.CannotTell, Why: "Nobody has said lately whether " + claim + " holds."}
	for _, src := range q.d.postures {
		var p workflows.Posture
		err := q.asks(ctx, "posture source "+src.Name(), func(ctx context.Context) (err error) {
			p, err = src.Posture(ctx, holder, claim)
			return err
		})
		switch {
		case err != nil && f.Answer == grants.CannotTell:
			f.Why, f.Source = "The source of "+claim+" does not answer.", src.Name()
		case err != nil || !p.Fresh(q.now):
		case !p.Holds:
			return grants.Fact{Name: grants.FactPosture, Answer: grants.No, Why: "The claim " + claim + " does not hold.", Source: src.Name()}
		default:
			f = grants.Fact{Name: grants.FactPosture, Answer: grants.Yes, Source: src.Name()}
		}
	}
	return f
}

// mayAskEver is mayAsk without shifts and working hours: that they are over takes nothing away that was granted in them.
func (d *Desk) mayAskEver(ctx context.Context, p *Policy, w *workflows.Workflow, person workflows.PersonID) (string, bool, error) {
	return d.mayAskAs(ctx, p, w, asked{requester: person, ever: true})
}

// worst is the answer that decides: a no before a cannot tell, among the facts that a grant hangs on.
func worst(facts []grants.Fact) (grants.Fact, bool) {
	for _, answer := range []string{grants.No, grants.CannotTell} {
		i := slices.IndexFunc(facts, func(f grants.Fact) bool { return f.Binds() && f.Answer == answer })
		if i >= 0 {
			return facts[i], true
		}
	}
	return grants.Fact{}, false
}
