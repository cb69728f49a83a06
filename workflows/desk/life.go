package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// Changes of identities that go through a chain: a new one, a wider scope, a later end.

// personOf finds somebody of the people file by what people type: a pseudonym, a key, an e-mail address, a member of the chat.
func (p *Policy) personOf(word string) (workflows.PersonID, bool) {
	word = strings.TrimPrefix(strings.TrimSpace(word), "@")
	if word == "" {
		return "", false
	}
	for id, x := range p.People {
		if word == string(id) || strings.EqualFold(word, x.Key) || x.Email != "" && strings.EqualFold(word, x.Email) ||
			x.Slack != "" && (word == x.Slack || strings.HasSuffix(x.Slack, "/"+word)) {
			return id, true
		}
	}
	return "", false
}

// life looks at what an ask would do to an identity: whether the one that it makes is there already, whether its owner may be one, whether the one
// that it changes is on the target that it names.
func (q *question) life(ctx context.Context) error {
	t := q.v.Workflow.Life
	if q.v.Workflow.Kind != workflows.KindLife || t == nil {
		return nil
	}
	bad := func(field, text string) {
		q.ask.Problems = append(q.ask.Problems, workflows.FieldProblem{Field: field, Text: text})
	}
	values := q.ask.Form.Values
	for _, f := range []string{workflows.LifeFieldOwner, workflows.LifeFieldBackup} {
		if v := values[f]; v != "" && q.policy.People[workflows.PersonID(v)].ID != "" {
			if no := q.desk.mayOwn(ctx, v); no != nil {
				bad(f, no.Sentence)
			}
		}
	}
	if b := values[workflows.LifeFieldBackup]; t.Action == workflows.LifeOnboard && b != "" && b == values[workflows.LifeFieldOwner] {
		bad(workflows.LifeFieldBackup, "That is the owner: name somebody else, who answers when they are away.")
	}
	id := q.changes()
	if id == "" {
		return nil
	}
	h, err := q.desk.ledger.History(ctx, workflows.IdentityStream(id))
	if err != nil {
		return err
	}
	s, err := identities.FoldIdentity(h)
	if most := q.v.Workflow.EndWithin(q.ent, q.ask.Principal, s.Entry().Risk); most > 0 && q.ask.Form.Seconds > most {
		bad(workflows.FormDuration, fmt.Sprintf("The risk of this allows an end within %s. Ask for that or less.", most))
	}
	switch {
	case err != nil:
		return err
	case t.Action == workflows.LifeOnboard && len(h) > 0:
		bad(workflows.LifeFieldID, "There is, or was, an identity of that id: pick another one.")
	case t.Action != workflows.LifeOnboard && s.Entry().Target != "" && s.Entry().Target != q.ent.Target && q.ent.Target != "":
		bad(workflows.FormEntitlement, "This identity is on "+string(s.Entry().Target)+": pick what is asked for there.")
	case t.Action != workflows.LifeOnboard && s.Life.Suspended != nil && s.Life.Suspended.Why != identities.SuspendedExpired:
		q.ask.Blocked = workflows.Refuse(workflows.CodeNotActive, "This identity is suspended, so nothing of it is widened or prolonged.", "Security can resume it.")
	}
	return nil
}

// changes is the identity whose life an ask changes; empty: none.
func (q *question) changes() workflows.IdentityID {
	w := q.v.Workflow
	switch {
	case w.Kind != workflows.KindLife || w.Life == nil:
		return ""
	case w.Life.Action != workflows.LifeOnboard:
		return q.ask.Subject
	}
	clean, _ := w.CheckForm(q.ask.Form)
	return workflows.IdentityID(clean.Fields[workflows.LifeFieldID])
}

// alter brings a change of an identity about that was approved.
func (m making) alter(f workflows.Facts, out *workflows.Outcome, s workflows.State) error {
	stream := workflows.IdentityStream(s.Whose())
	state, err := identities.FoldIdentity(f.Histories[stream])
	if err != nil {
		return err
	}
	c := identities.Alteration{Request: s.ID, Approvers: s.Voters(), Now: f.Now.UTC, Until: f.Now.UTC.Add(s.Asked.Seconds.Duration()), Reason: s.Asked.Reason, By: s.Requester.Person}
	switch {
	case m.w.Life == nil:
		return fmt.Errorf("workflow %q approves a change of an identity without terms", m.w.ID)
	case m.w.Life.Action == workflows.LifeOnboard:
		ent, _ := m.w.Entitlement(s.Asked.Target, s.Asked.Entitlement)
		c.Says, c.Owner = newborn(s, ent, c.Until), s.Asked.Fields[workflows.LifeFieldOwner]
		if m.w.Life.Make {
			c.Account = &identities.AccountOrdered{
				Request: s.ID, Target: ent.Target, Entitlement: ent.ID, Params: filledIn(ent, s.Asked.Fields).Params, Account: strings.ReplaceAll(string(s.Whose()), "-", "_"), Until: c.Until,
			}
		}
	case m.w.Life.Action == workflows.LifeScope:
		ent, _ := m.w.Entitlement(s.Asked.Target, s.Asked.Entitlement)
		c.Says = identities.Entry{Scope: []string{s.Asked.Fields[workflows.LifeFieldScope]}, Ticket: string(workflows.RequestStream(s.ID))}
		account, _, _ := state.Texts()
		c.Account = &identities.AccountOrdered{
			Request: s.ID, Target: ent.Target, Entitlement: ent.ID, Params: filledIn(ent, s.Asked.Fields).Params, Account: account, Scope: true,
			ByHand: !m.w.Life.Make,
		}
	}
	for _, e := range identities.Alter(state, m.w.Life.Action, c) {
		out.Add(stream, workflows.System, s.Policy, e)
	}
	return nil
}

// newborn is what the approval says of a new identity. Until its owner has confirmed it, whoever asked answers for it.
func newborn(s workflows.State, ent workflows.Entitlement, until workflows.Stamp) identities.Entry {
	v := s.Asked.Fields
	return identities.Entry{
		Class: v[workflows.LifeFieldKind], Name: string(s.Whose()), Owner: string(s.Requester.Person), Backup: v[workflows.LifeFieldBackup],
		Purpose: s.Asked.Texts[workflows.LifeFieldPurpose], Environment: v[workflows.LifeFieldEnvironment], Target: ent.Target,
		Scope: []string{string(ent.ID)}, ManagedBy: identities.ManagedInternal, Risk: s.Asked.Risk, Ticket: string(workflows.RequestStream(s.ID)), Expires: until,
		Creator: s.Requester.Person,
	}
}

// lifeGone says why an approved change of an identity cannot be brought about any more; empty: it can.
func lifeGone(f workflows.Facts, w *workflows.Workflow, s workflows.State) string {
	if s.Asked.Request != workflows.KindLife || w.Life == nil {
		return ""
	}
	state, err := identities.FoldIdentity(f.Histories[workflows.IdentityStream(s.Whose())])
	switch {
	case err != nil:
		return "What is recorded of the identity cannot be read."
	case w.Life.Action == workflows.LifeOnboard && (state.ID != "" || len(f.Histories[workflows.IdentityStream(s.Whose())]) > 0):
		return "There is an identity of that id by now."
	case w.Life.Action != workflows.LifeOnboard && (state.Life.Retirement != nil || state.Life.Retired):
		return "The identity is being taken off."
	}
	return ""
}

// LifeChain is the chain by which somebody may renew, widen or make identities; false: there is none, or they may not use it. Where several would do, the
// one for the target of the identity goes first.
func (d *Desk) LifeChain(ctx context.Context, by workflows.PersonID, action string, on workflows.TargetID) (workflows.WorkflowID, bool, error) {
	p := d.Policy()
	var found []workflows.WorkflowID
	for _, id := range sortedIDs(p.Workflows) {
		w := p.Workflows[id].Workflow
		if w.Kind != workflows.KindLife || w.Life == nil || w.Life.Action != action {
			continue
		}
		fits := on == "" || slices.ContainsFunc(w.Entitlements, func(e workflows.Entitlement) bool { return e.Target == on })
		_, may, err := d.mayAsk(ctx, p, w, by)
		if err != nil {
			return "", false, err
		}
		if may && fits {
			found = append(found, id)
		}
	}
	if len(found) == 0 {
		return "", false, nil
	}
	return found[0], true, nil
}

func sortedIDs(m map[workflows.WorkflowID]Version) []workflows.WorkflowID {
	out := make([]workflows.WorkflowID, 0, len(m))
	for id := range m {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// AccountToMake reads the account that an approved request orders to be made; false when there is none any more.
func (d *Desk) AccountToMake(ctx context.Context, id workflows.IdentityID) (identities.AccountOrdered, bool, error) {
	s, err := d.identityState(ctx, id)
	if err != nil {
		return identities.AccountOrdered{}, false, err
	}
	a := s.MakesAccount()
	if a == nil {
		return identities.AccountOrdered{}, false, nil
	}
	return a.AccountOrdered, true, nil
}

// AccountHad is what the account of AccountToMake had before, in words for its connector.
func (d *Desk) AccountHad(ctx context.Context, id workflows.IdentityID) ([]string, error) {
	s, err := d.identityState(ctx, id)
	return s.AccountHad(), err
}

// AccountMade records what became of it.
func (d *Desk) AccountMade(ctx context.Context, cause Cause, id workflows.IdentityID, e identities.AccountMade) error {
	stream, rotation := workflows.IdentityStream(id), d.ids.New("o_")
	_, err := d.update(ctx, cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return identities.AccountDone(f, stream, e, rotation)
	})
	return err
}

// throughChain refuses to do at once what the documents have a chain for; nil where they have none for such a target.
func (d *Desk) throughChain(action string, on workflows.TargetID) *workflows.Refusal {
	p := d.Policy()
	for _, id := range sortedIDs(p.Workflows) {
		w := p.Workflows[id].Workflow
		fits := on == "" || slices.ContainsFunc(w.Entitlements, func(e workflows.Entitlement) bool { return e.Target == on })
		if w.Kind == workflows.KindLife && w.Life != nil && w.Life.Action == action && fits {
			return workflows.Refusef(workflows.CodeNotEligible, "Whoever may ask by it asks: countersign request "+string(id)+" -for ID, or /access identity ID "+action+".",
				"That goes through the chain %s: people approve it.", id)
		}
	}
	return nil
}

// Given is what requests gave accounts of identities on a target, for as long as those stand: access that no grant explains, and that people approved.
func (d *Desk) Given(ctx context.Context, t workflows.TargetID) ([]identities.AccountOrdered, error) {
	streams, err := d.all(ctx, identities.ListGiven, string(t))
	if err != nil {
		return nil, err
	}
	var out []identities.AccountOrdered
	for _, stream := range streams {
		s, err := d.identityState(ctx, workflows.IdentityID(stream.Rest()))
		if err != nil {
			return nil, err
		}
		for _, g := range s.Standing() {
			if g.Target == t && g.Account != "" {
				out = append(out, g)
			}
		}
	}
	return out, nil
}
