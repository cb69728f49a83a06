package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

const (
	atOnce     = 32 // grant streams ended in one transaction: half of what one may name
	killRounds = 5  // looks for access that was approved while the rest was being ended
)

// RevokeAll is somebody who takes everything away from an identity at once, on all targets, also what has not started yet.
type RevokeAll struct {
	Cause      Cause
	By         workflows.Acting // workflows.System: the bot itself, on what it was told (somebody left)
	Identity   workflows.IdentityID
	Why        string
	Authn      string
	Channel    string
	Quarantine bool // also lets it neither ask, decide nor hold anything until two people release it
	Robot      *Robot

	drill bool // the quarantine is a drill's
}

// Robot is a non-human identity that acts by the token of a workload. It speaks for itself only, whatever its owner may do.
type Robot struct {
	Identity workflows.IdentityID
	Workload Workload // as the documents describe it
}

// RevokedAll is what became of it.
type RevokedAll struct {
	Refusal     *workflows.Refusal
	Ended       []Holding // what is being taken back by it
	Elsewhere   int       // what was being taken back already
	Quarantined bool      // it is now
	Reach       Reach
}

// RevokeAll ends all access of an identity: the kill switch. The revocations run at once on all targets. It may be repeated: what has ended
// is left alone, and a call that broke off is finished by the next.
func (d *Desk) RevokeAll(ctx context.Context, c RevokeAll) (RevokedAll, error) {
	var out RevokedAll
	known, err := d.knows(ctx, c.Identity)
	if err != nil {
		return out, err
	}
	o := identities.Order{
		By: c.By, May: known && d.mayKillBy(ctx, c), Subject: c.Identity, Why: c.Why, Authn: c.Authn, Channel: c.Channel, Drill: c.drill,
	}
	switch {
	case !o.May:
		out.Refusal, err = d.Refuse(ctx, c.Cause, c.By, "revoke-all", c.Channel, string(c.Identity), workflows.Refuse(workflows.CodeNotYours,
			"There is no such identity, or it is not yours to take access away from.", "Security, owners of Countersign, the owner of a non-human identity, everybody for themselves, and workloads whose documents say kill_switch can."))
		return out, err
	case c.Why == "":
		out.Refusal, err = d.Refuse(ctx, c.Cause, c.By, "revoke-all", c.Channel, string(c.Identity), workflows.Refuse(workflows.CodeReasonNeeded, "Taking everything away needs a reason.", ""))
		return out, err
	}
	if c.Quarantine {
		if out.Refusal, err = d.lock(ctx, sub(c.Cause, "lock"), o); err != nil || out.Refusal != nil {
			return out, err
		}
	}
	if out.Ended, out.Elsewhere, err = d.endAll(ctx, c); err != nil {
		return out, err
	}
	if out.Quarantined, err = d.isQuarantined(ctx, c.Identity); err != nil {
		return out, err
	}
	if out.Quarantined {
		if _, err := d.VerifyIdentity(ctx, c.Identity); err != nil { // what others hold because of it
			d.log.WarnContext(ctx, "what hangs on a quarantined identity could not be asked about", "identity", c.Identity, "err", err)
		}
	}
	out.Reach, err = d.Reach(ctx, c.Identity)
	return out, err
}

// sub is the cause of a part of a command: a command that is repeated finds each part done or not.
func sub(c Cause, part string) Cause {
	if c == "" {
		return ""
	}
	return c + "/" + Cause(part)
}

// endAll ends every hold of the identity. What is approved meanwhile is found by looking again.
func (d *Desk) endAll(ctx context.Context, c RevokeAll) (ended []Holding, elsewhere int, err error) {
	for round := range killRounds {
		var streams []workflows.StreamID
		elsewhere = 0
		err := d.holdings(ctx, c.Identity, func(h Holding) {
			switch {
			case h.Hold.Status == grants.StatusEnding:
				elsewhere++
			case !slices.Contains(streams, h.Stream):
				streams = append(streams, h.Stream)
			}
		})
		if err != nil || len(streams) == 0 {
			return ended, max(0, elsewhere-len(ended)), err
		}
		n := 0
		for part := range slices.Chunk(streams, atOnce) {
			more, err := d.endPart(ctx, sub(c.Cause, fmt.Sprintf("end/%d/%d", round, n)), c, part)
			if err != nil {
				return ended, elsewhere, err
			}
			ended, n = append(ended, more...), n+1
		}
	}
	return ended, max(0, elsewhere-len(ended)), nil
}

func (d *Desk) endPart(ctx context.Context, cause Cause, c RevokeAll, streams []workflows.StreamID) ([]Holding, error) {
	own := identities.StreamOf(c.Identity)
	res, err := d.update(ctx, cause, append([]workflows.StreamID{own}, streams...), func(f workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		e := identities.AccessRevoked{Why: c.Why, Authn: c.Authn, Channel: c.Channel}
		for _, s := range streams {
			ids, err := endHolder(f, s, c, &out)
			if err != nil {
				return out, err
			}
			e.Grants = append(e.Grants, ids...)
		}
		if len(e.Grants) > 0 {
			out.Add(own, c.By, "", e)
		}
		return out, nil
	})
	if err != nil {
		return nil, err
	}
	var ended []Holding
	for _, r := range res.Records {
		e, ok := r.Event.(grants.Ending)
		if !ok {
			continue
		}
		hold, _, err := d.hold(ctx, r.Stream, e.Grant)
		if err != nil {
			return ended, err
		}
		ended = append(ended, Holding{r.Stream, hold})
	}
	return ended, nil
}

// endHolder ends every hold of one stream. The last of a shared membership has nobody left to keep it.
func endHolder(f workflows.Facts, stream workflows.StreamID, c RevokeAll, out *workflows.Outcome) ([]workflows.GrantID, error) {
	var ids []workflows.GrantID
	for {
		h := withNew(f, stream, *out)
		s, err := grants.Fold(h)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(s.Holds, func(h grants.Hold) bool { return h.Status == grants.StatusApproved || h.Status == grants.StatusActive })
		if i < 0 {
			return ids, nil
		}
		id := s.Holds[i].Approved.Grant
		next := workflows.Facts{Now: f.Now, Histories: map[workflows.StreamID][]workflows.Record{stream: h}}
		end, err := grants.CallOff(next, stream, id, c.By, c.Why)
		if err != nil {
			return nil, err
		}
		ids, out.Events = append(ids, id), append(out.Events, end.Events...)
	}
}

// holdings gives everything an identity holds now, by name of stream.
func (d *Desk) holdings(ctx context.Context, id workflows.IdentityID, fn func(Holding)) error {
	return d.eachOf(ctx, id, func(stream workflows.StreamID) error {
		s, err := d.grantState(ctx, stream)
		if err != nil {
			return err
		}
		for _, h := range s.Holds {
			if h.Live() {
				fn(Holding{stream, h})
			}
		}
		return nil
	})
}

// MayKill tells whether somebody may take everything away from an identity.
func (d *Desk) MayKill(ctx context.Context, by workflows.Acting, id workflows.IdentityID) bool {
	return by.Person != "" && d.mayKill(ctx, by, id, true)
}

// mayKill tells who may take everything away from an identity: security and owners of Countersign, everybody from themselves, the owners and the
// sponsor of a non-human one, and the bot itself.
func (d *Desk) mayKill(ctx context.Context, by workflows.Acting, id workflows.IdentityID, own bool) bool {
	if by == workflows.System {
		return own
	}
	p := by.Person
	if p == "" {
		return false
	}
	if d.HasRole(ctx, RoleSecurity, p) || d.HasRole(ctx, RoleOwner, p) {
		return true
	}
	x, listed := d.Policy().Identities[id]
	switch {
	case !own:
		return false
	case p == id.Person(), listed && (p == x.Owner || p == x.Backup):
		return true
	case id.IsPerson():
		return false
	}
	s, err := d.identityState(ctx, id) // one that only the ledger knows
	e := s.Entry()
	return err == nil && (e.Sponsor == p || d.ownsIdentity(e, p))
}

// mayKillBy is mayKill for a command: a workload may take from itself, and from others where the documents in force say so.
func (d *Desk) mayKillBy(ctx context.Context, c RevokeAll) bool {
	if c.Robot == nil {
		return d.mayKill(ctx, c.By, c.Identity, true)
	}
	if c.By.Person == "" {
		return false
	}
	return c.Robot.Identity == c.Identity || slices.ContainsFunc(d.Policy().Identities[c.Robot.Identity].Workloads, func(w Workload) bool {
		return w.KillSwitch && sameJSON(w, c.Robot.Workload)
	})
}

// knows tells whether there is such an identity: in the documents, or with access or a past in the ledger.
func (d *Desk) knows(ctx context.Context, id workflows.IdentityID) (bool, error) {
	p := d.Policy()
	if _, ok := p.People[id.Person()]; ok {
		return true, nil
	}
	if _, ok := p.Identities[id]; ok || id == "" {
		return ok, nil
	}
	h, err := d.ledger.History(ctx, identities.StreamOf(id))
	if err != nil || len(h) > 0 {
		return len(h) > 0, err
	}
	found := false
	err = d.holdings(ctx, id, func(Holding) { found = true })
	return found, err
}

// ListQuarantined has the streams of quarantined identities. Members: the identity, and "" for all.
const ListQuarantined = "identities.quarantined"

func quarantineLists(id workflows.IdentityID, q identities.Quarantine) []workflows.Listing {
	if !q.On {
		return nil
	}
	at := int64(q.Since.UTC)
	return []workflows.Listing{{List: ListQuarantined, Member: "", Sort: at}, {List: ListQuarantined, Member: string(id), Sort: at}}
}

func (d *Desk) isQuarantined(ctx context.Context, id workflows.IdentityID) (bool, error) {
	if id == "" {
		return false, nil
	}
	list, err := d.ledger.List(ctx, ListQuarantined, string(id), 1)
	return len(list) > 0, err
}

// lock quarantines. What was known of a person before counts no more.
func (d *Desk) lock(ctx context.Context, cause Cause, o identities.Order) (*workflows.Refusal, error) {
	res, err := d.update(ctx, cause, []workflows.StreamID{identities.StreamOf(o.Subject)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.Lock(f, o)
	})
	d.seen15.forget(o.Subject.Person())
	return res.Refusal, err
}

// Release is somebody who wants a quarantine lifted.
type Release struct {
	Cause    Cause
	By       workflows.Acting
	Identity workflows.IdentityID
	Why      string
	Authn    string
	Channel  string
}

// Release asks for the end of a quarantine, or confirms what another person asked for. Freed tells whether the identity is free now.
func (d *Desk) Release(ctx context.Context, c Release) (a Answer, freed bool, err error) {
	standing := d.standing(ctx, c.By)
	may := standing.Refusal() == nil && d.mayKill(ctx, c.By, c.Identity, false)
	o := identities.Order{By: c.By, May: may, Subject: c.Identity, Why: c.Why, Authn: c.Authn, Channel: c.Channel}
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{identities.StreamOf(c.Identity)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.Release(f, o)
	})
	for _, r := range res.Records {
		_, ok := r.Event.(identities.Released)
		freed = freed || ok
	}
	d.seen15.forget(c.Identity.Person())
	return answered(&res), freed, err
}

// Locked is a quarantined identity.
type Locked struct {
	Identity   workflows.IdentityID
	Quarantine identities.Quarantine
}

// Quarantined are all quarantined identities, the latest first.
func (d *Desk) Quarantined(ctx context.Context) ([]Locked, error) {
	streams, err := d.all(ctx, ListQuarantined, "")
	if err != nil {
		return nil, err
	}
	var out []Locked
	for _, s := range streams {
		h, err := d.ledger.History(ctx, s)
		if err != nil {
			return nil, err
		}
		q, err := identities.FoldQuarantine(h)
		if err != nil {
			return nil, err
		}
		out = append(out, Locked{workflows.IdentityID(s.Rest()), q})
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		return cmp.Or(cmp.Compare(b.Quarantine.Since.UTC, a.Quarantine.Since.UTC), cmp.Compare(a.Identity, b.Identity)) < 0
	})
	return out, nil
}
