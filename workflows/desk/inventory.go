package desk

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// IdentityView is one identity with everything that is known of it.
type IdentityView struct {
	State    identities.IdentityState
	Entry    identities.Entry
	Row      workflows.InventoryRow
	Findings []string // those of the moment too
	Now      workflows.Stamp
	Kill     *KillPlan // what takes it off its target, where that is one thing to do; nil: it is not
}

// Inventory gives a page of the inventory to a person: what they answer for, or all to security, owners of the product, auditors and operators.
// People come first, those of the people file, unless the query names something that only machines have. The second answer is the cursor
// of the next page; empty when this is the last.
func (d *Desk) Inventory(ctx context.Context, reader workflows.PersonID, q workflows.InventoryQuery) ([]workflows.InventoryRow, workflows.IdentityID, error) {
	limit := cmp.Or(q.Limit, inventoryPage)
	q.Limit = limit + 1
	var out []workflows.InventoryRow
	if !d.SeesInventory(ctx, reader) {
		rows, err := d.ownedRows(ctx, reader, q)
		out = rows
		if err != nil {
			return nil, "", err
		}
	} else {
		out = d.peopleRows(q)
		if len(out) < q.Limit {
			rest := q
			rest.Limit = q.Limit - len(out)
			rows, err := d.ledger.Inventory(ctx, rest)
			if err != nil {
				return nil, "", err
			}
			out = append(out, rows...)
			sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
		}
	}
	if len(out) > limit {
		return out[:limit], out[limit-1].ID, nil
	}
	return out, "", nil
}

const inventoryPage = 50 // rows of a page where nobody says how many

// SeesInventory tells whether somebody sees all of the inventory.
func (d *Desk) SeesInventory(ctx context.Context, p workflows.PersonID) bool {
	return p != "" && slices.ContainsFunc([]string{RoleSecurity, RoleOwner, RoleAuditor, RoleOperator}, func(role string) bool { return d.HasRole(ctx, role, p) })
}

// peopleRows are the people of the documents as rows of the inventory. They are few enough to be looked through.
func (d *Desk) peopleRows(q workflows.InventoryQuery) []workflows.InventoryRow {
	p := d.Policy()
	var out []workflows.InventoryRow
	for id, x := range p.People {
		row := workflows.InventoryRow{
			ID: id.Identity(), State: workflows.IdentityActive, Kind: identities.KindHuman, Name: x.Name, Owner: string(id), Backup: string(x.Manager),
			ManagedBy: identities.ManagedInternal, Sources: []string{identities.SourceFile},
			Words: append(identities.Words(x.Name+" "+x.Key+" "+x.Email), strings.ToLower(x.Key), identities.KindHuman),
		}
		if q.Matches(row) {
			out = append(out, row)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	if len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return out
}

// ownedRows are the identities that a person answers for.
func (d *Desk) ownedRows(ctx context.Context, p workflows.PersonID, q workflows.InventoryQuery) ([]workflows.InventoryRow, error) {
	var out []workflows.InventoryRow
	if p == "" {
		return nil, nil
	}
	ids, err := d.Owned(ctx, p)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		v, err := d.identityState(ctx, id)
		if err != nil {
			return nil, err
		}
		if row := v.Row(); row != nil && q.Matches(*row) && len(out) < q.Limit {
			out = append(out, *row)
		}
	}
	return out, nil
}

// Owned are the identities that a person answers for, or backs up, or is asked to take over; by name.
func (d *Desk) Owned(ctx context.Context, p workflows.PersonID) ([]workflows.IdentityID, error) {
	ids := d.Policy().Owned(p)
	for _, list := range []string{identities.ListOwned, identities.ListAsked} {
		streams, err := d.all(ctx, list, string(p))
		if err != nil {
			return nil, err
		}
		for _, s := range streams {
			ids = append(ids, workflows.IdentityID(s.Rest()))
		}
	}
	for name, members := range d.Policy().Groups {
		if !slices.Contains(members, p) {
			continue
		}
		rows, err := d.ledger.Inventory(ctx, workflows.InventoryQuery{Owner: identities.GroupPrefix + name})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			ids = append(ids, r.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

func (d *Desk) identityState(ctx context.Context, id workflows.IdentityID) (identities.IdentityState, error) {
	h, err := d.ledger.History(ctx, workflows.IdentityStream(id))
	if err != nil {
		return identities.IdentityState{}, err
	}
	return identities.FoldIdentity(h)
}

// Identity reads one identity for a person. What they may not see, and what there is not, is the same answer: workflows.ErrNoStream.
func (d *Desk) Identity(ctx context.Context, reader workflows.PersonID, id workflows.IdentityID) (IdentityView, error) {
	s, err := d.identityState(ctx, id)
	if err != nil {
		return IdentityView{}, err
	}
	row := s.Row()
	h := s.Life.Handover
	asked := h != nil && slices.Contains(h.Asked(), reader)
	if row == nil || !asked && !d.ownsIdentity(s.Entry(), reader) && !d.SeesInventory(ctx, reader) {
		return IdentityView{}, workflows.ErrNoStream
	}
	now, err := d.now(ctx)
	if err != nil {
		return IdentityView{}, err
	}
	if row.LastUser, err = d.lastUser(ctx, id); err != nil {
		return IdentityView{}, err
	}
	findings := identities.Findings(*row, now, d.Departed(ctx))
	if print := s.Entry().Print; print != "" && row.State != workflows.IdentityRetired {
		same, err := d.ledger.Inventory(ctx, workflows.InventoryQuery{Key: identities.PrintKey(print)})
		if err != nil {
			return IdentityView{}, err
		}
		for _, r := range same { // some had it once: a replaced secret is shared no more
			o, err := d.identityState(ctx, r.ID)
			if err != nil {
				return IdentityView{}, err
			}
			if r.ID != id && r.State != workflows.IdentityRetired && strings.EqualFold(o.Entry().Print, print) {
				findings = append(findings, identities.FindSharedPrint)
				break
			}
		}
	}
	return IdentityView{State: s, Entry: s.Entry(), Row: *row, Findings: findings, Now: now, Kill: d.killOf(s, s.Entry())}, nil
}

// SharedSecrets gives the identities whose secret another one has, too, by the keyed fingerprints of both (R73).
func (d *Desk) SharedSecrets(ctx context.Context) (map[workflows.IdentityID]bool, error) {
	ids, err := d.ledger.SharedKeys(ctx, identities.PrintKey(""))
	if err != nil {
		return nil, err
	}
	now := map[string][]workflows.IdentityID{} // keys are kept of secrets that were replaced, too
	for _, id := range ids {
		s, err := d.identityState(ctx, id)
		if err != nil {
			return nil, err
		}
		if print := strings.ToLower(s.Entry().Print); print != "" {
			now[print] = append(now[print], id)
		}
	}
	out := map[workflows.IdentityID]bool{}
	for _, same := range now {
		for _, id := range same {
			out[id] = len(same) > 1
		}
	}
	return out, nil
}

// ownsIdentity tells whether a person answers for an identity: as owner, as backup, or as one of the team.
func (d *Desk) ownsIdentity(e identities.Entry, p workflows.PersonID) bool {
	if p == "" {
		return false
	}
	for _, o := range []string{e.Owner, e.Backup} {
		if o == string(p) {
			return true
		}
		if name, ok := strings.CutPrefix(o, identities.GroupPrefix); ok && slices.Contains(d.Policy().Groups[name], p) {
			return true
		}
	}
	return false
}

// IdentityBySubject finds the one active identity that another system knows by an issuer and a subject: the token of a pipeline, the SPIFFE id of
// a workload. None, or more than one, is not known: a guess would let the one act as the other.
func (d *Desk) IdentityBySubject(ctx context.Context, issuer, subject string) (identities.IdentityState, bool, error) {
	if subject == "" {
		return identities.IdentityState{}, false, nil
	}
	rows, err := d.ledger.Inventory(ctx, workflows.InventoryQuery{Key: identities.SubjectKey(issuer, subject), Limit: 2})
	if err != nil || len(rows) != 1 || rows[0].State != workflows.IdentityActive {
		return identities.IdentityState{}, false, err
	}
	s, err := d.identityState(ctx, rows[0].ID)
	if err != nil {
		return s, false, err
	}
	e := s.Entry() // the entries say, not the index
	return s, e.Issuer == issuer && e.Subject == subject && s.State(e) == workflows.IdentityActive, nil
}

// overlay adds to what the documents say of an identity what was recorded since: another owner, another end, a suspension. An identity that only
// the ledger knows is there like one of the documents, while it is active.
func (d *Desk) overlay(p *Policy) func(workflows.IdentityID) (Identity, bool) {
	return func(id workflows.IdentityID) (Identity, bool) {
		listed, ok := p.Identities[id]
		if id == "" || id.IsPerson() {
			return listed, ok
		}
		s, err := d.identityState(context.Background(), id)
		if err != nil {
			d.log.Warn("an identity cannot be read, so nothing is decided about it", "identity", id, "err", err)
			return Identity{}, false
		}
		if !s.Life.Lively {
			return listed, ok
		}
		e := s.Entry()
		leaves := s.Life.Handover != nil && s.Life.Handover.Why == identities.WhyLeaver // whoever answers for it decides first
		over := func(why string) bool {
			return s.Life.Suspended != nil && s.Life.Suspended.Why == why && s.Life.Retirement == nil
		}
		lapsed, ended := over(identities.SuspendedWaiver), over(identities.SuspendedExpired)
		if s.State(e) != workflows.IdentityActive && !lapsed && !ended || leaves {
			return Identity{}, false
		}
		out := listed
		out.Lapsed, out.Ended = lapsed, ended
		out.ID, out.Class, out.Name, out.Owner, out.Backup = id, e.Class, cmp.Or(e.Name, string(id)), owningPerson(e.Owner), owningPerson(e.Backup)
		out.Team = d.Policy().Groups[strings.TrimPrefix(e.Owner, identities.GroupPrefix)]
		out.Purpose, out.Environment, out.Expires, out.Outside = e.Purpose, e.Environment, e.Expires, outsideOf(e)
		out.ManagedBy, out.Stored, out.Waived = e.ManagedBy, e.Stored, s.Waived()
		if row := s.Row(); row != nil {
			out.Findings = row.Findings
		}
		if account, _, _ := s.Texts(); e.Target != "" && account != "" && out.Accounts[e.Target] == "" {
			out.Accounts = map[workflows.TargetID]string{e.Target: account}
			for t, a := range listed.Accounts {
				out.Accounts[t] = a
			}
		}
		return out, true
	}
}

// owningPerson is an owner who is a person; of a team nobody is it alone.
func owningPerson(owner string) workflows.PersonID {
	if strings.HasPrefix(owner, identities.GroupPrefix) {
		return ""
	}
	return workflows.PersonID(owner)
}

// known is what holds of an identity of the documents or of the ledger. One that is suspended because an exception is over is not there.
func (p *Policy) known(id workflows.IdentityID) (Identity, bool) {
	i, ok := p.knownAs("", id)
	return i, ok
}

// knownAs is known for a request of a kind: one for an exception may be for an identity that is suspended because its last one is over.
func (p *Policy) knownAs(kind workflows.RequestKind, id workflows.IdentityID) (Identity, bool) {
	i, ok := p.even(id)
	if i.Lapsed && kind != workflows.KindException || i.Ended && kind != workflows.KindLife {
		return Identity{}, false
	}
	return i, ok
}

// even is known also for an identity that is suspended because an exception is over: who answers for it.
func (p *Policy) even(id workflows.IdentityID) (Identity, bool) {
	if p.Inventory != nil {
		return p.Inventory(id)
	}
	i, ok := p.Identities[id]
	return i, ok
}
