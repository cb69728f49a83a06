package desk

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/campaigns"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/targets"
)

// StandingAccess takes away access that no grant of ours made. Package cmd joins it to the sweeps.
type StandingAccess interface {
	// Requestable are the entitlements of a target that give what a finding is about. None: it could not be asked for afterwards.
	Requestable(ctx context.Context, t workflows.TargetID, finding string) ([]workflows.EntitlementID, error)
	// RemoveFound takes away what a finding is about, reads back that it is gone, and records that. A finding that is over is no error.
	RemoveFound(ctx context.Context, t workflows.TargetID, finding string) error
}

// collect finds what a campaign looks at, in a fixed order.
func (d *Desk) collect(ctx context.Context, plan workflows.CampaignPlan, now workflows.Stamp) ([]campaigns.Item, error) {
	switch plan.Of {
	case workflows.CampaignIdentities:
		return d.collectIdentities(ctx, plan.Where, now)
	case workflows.CampaignAccess:
		return d.collectAccess(ctx, plan.Where)
	}
	var out []campaigns.Item
	p := d.Policy()
	for _, id := range slices.Sorted(maps.Keys(p.Runbooks)) {
		b := p.Runbooks[id].Runbook
		out = append(out, campaigns.Item{Of: workflows.CampaignRunbooks, ID: string(id), Target: b.Grant.Target, Owner: string(b.Owner), Flags: bookFlags(b.LastReviewed, b.ReviewEvery, now)})
	}
	return out, nil
}

// bookFlags tells whether the text says itself that it should have been looked at.
func bookFlags(last string, every workflows.Span, now workflows.Stamp) []string {
	day, err := time.Parse(time.DateOnly, last)
	if every > 0 && (err != nil || workflows.StampOf(day).Add(every.Duration()) < now) {
		return []string{identities.FindReview}
	}
	return nil
}

func (d *Desk) collectIdentities(ctx context.Context, where workflows.CampaignScope, now workflows.Stamp) ([]campaigns.Item, error) {
	var out []campaigns.Item
	err := d.EachIdentity(ctx, workflows.InventoryQuery{Environment: where.Environment, ManagedBy: where.ManagedBy}, func(r workflows.InventoryRow) error {
		found := flagsOf(r, now)
		if r.State == workflows.IdentityRetired || r.Kind == identities.KindHuman || !chosen(where.Kinds, r.Kind) || !chosen(where.Risks, r.Risk) ||
			!chosen(where.Targets, r.Target) || len(where.Findings) > 0 && !slices.ContainsFunc(where.Findings, func(f string) bool { return slices.Contains(found, f) }) {
			return nil
		}
		item := campaigns.Item{Of: workflows.CampaignIdentities, ID: string(r.ID), Target: r.Target, Owner: r.Owner, Risk: r.Risk, Flags: found}
		out = append(out, sidesOf(item, r)...)
		return nil
	})
	return out, err
}

func chosen[T comparable](list []T, x T) bool { return len(list) == 0 || slices.Contains(list, x) }

// flagsOf are the findings that want a look of their own. That it is time for an attestation is what the campaign is for.
func flagsOf(r workflows.InventoryRow, now workflows.Stamp) []string {
	return slices.DeleteFunc(identities.Findings(r, now, nil), func(f string) bool { return f == identities.FindReview || f == identities.FindNoBackup })
}

func (d *Desk) collectAccess(ctx context.Context, where workflows.CampaignScope) ([]campaigns.Item, error) {
	var out []campaigns.Item
	p := d.Policy()
	for _, t := range slices.Sorted(maps.Keys(p.Targets)) {
		if !chosen(where.Targets, t) {
			continue
		}
		s, err := d.TargetState(ctx, t)
		if err != nil {
			return nil, err
		}
		for _, x := range s.Sorted() {
			if !stands(x) {
				continue
			}
			item := campaigns.Item{Of: workflows.CampaignAccess, ID: x.Found.Finding, Target: t, Owner: string(p.holderOf(t, x.Found.Account))}
			if !x.Accepted {
				item.Flags = []string{"unexplained"}
			}
			out = append(out, item)
		}
	}
	return out, nil
}

// stands tells whether a finding is access that stands, rather than a grant gone wrong.
func stands(x targets.Finding) bool {
	return x.Found.Why == targets.WhyUnknown || x.Found.Why == targets.WhyStanding
}

// holderOf is the person whose account it is on a target; empty when it is nobody's.
func (p *Policy) holderOf(t workflows.TargetID, account string) workflows.PersonID {
	for id, x := range p.People {
		if account != "" && x.Accounts[t] == account {
			return id
		}
	}
	return ""
}

// Fact is one line of what is known of an item.
type Fact struct {
	Name   string             `json:"name"`
	Value  string             `json:"value"`
	Person workflows.PersonID `json:"person,omitempty"` // instead of Value
	moves  bool               // changes by itself, so that it does not make a look old
}

// SheetEvidence is what a reviewer looks at: one item with what is known of it now.
type SheetEvidence struct {
	campaigns.ItemState
	Title   string   `json:"title"`
	Facts   []Fact   `json:"facts"`
	Changed []string `json:"changed,omitempty"` // since it was attested last
	Now     []string `json:"findings,omitempty"`
	Gone    bool     `json:"gone,omitempty"` // it is not there any more
	Digest  string   `json:"digest"`         // of all this
}

// Safe tells whether it may be kept together with others, by what is known now.
func (e SheetEvidence) Safe() bool { return e.Item.Safe() && len(e.Now) == 0 }

// Page is part of a sheet, as somebody is shown it.
type Page struct {
	Sheet campaigns.Sheet `json:"-"`
	Items []SheetEvidence `json:"items"`
}

// Digests are those of the items, in their order.
func (p Page) Digests() []string {
	out := make([]string, 0, len(p.Items))
	for _, e := range p.Items {
		out = append(out, e.Digest)
	}
	return out
}

// Page reads items of a sheet with their evidence. It records nothing.
func (d *Desk) Page(ctx context.Context, id workflows.SheetID, items []int) (Page, error) {
	s, err := d.Sheet(ctx, id)
	if err != nil {
		return Page{}, err
	}
	now, err := d.now(ctx)
	if err != nil {
		return Page{}, err
	}
	out := Page{Sheet: s}
	for _, n := range items {
		if n < 1 || n > len(s.Items) {
			continue
		}
		e, err := d.evidence(ctx, s.Items[n-1], now)
		if err != nil {
			return Page{}, err
		}
		e.Digest = digestOf(id, e)
		out.Items = append(out.Items, e)
	}
	return out, nil
}

func digestOf(id workflows.SheetID, e SheetEvidence) string {
	h := sha256.New()
	fmt.Fprintf(h, "countersign/sheet/v1\x00%s\x00%d\x00%s\x00%t\x00%s\x00", id, e.Number, e.Title, e.Gone, strings.Join(e.Now, ","))
	for _, f := range e.Facts {
		if !f.moves {
			fmt.Fprintf(h, "%s=%s%s\x00", f.Name, f.Value, f.Person)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (d *Desk) evidence(ctx context.Context, x campaigns.ItemState, now workflows.Stamp) (SheetEvidence, error) {
	e := SheetEvidence{ItemState: x, Title: x.ID}
	switch x.Of {
	case workflows.CampaignIdentities:
		return e, d.identityEvidence(ctx, &e, now)
	case workflows.CampaignAccess:
		return e, d.accessEvidence(ctx, &e)
	}
	b, ok := d.Policy().Runbooks[workflows.RunbookID(x.ID)]
	if !ok {
		e.Gone = true
		return e, nil
	}
	r := b.Runbook
	e.Title, e.Now = r.Title, bookFlags(r.LastReviewed, r.ReviewEvery, now)
	e.add("for", r.UseWhen)
	e.person("owner", string(r.Owner))
	e.add("gives", r.Grant.Name())
	e.add("for at most", r.Longest.String())
	e.add("looked at last", cmp.Or(r.LastReviewed, "not on record"))
	e.add("text", string(r.Document))
	return e, nil
}

func (e *SheetEvidence) add(name, value string) {
	if value != "" {
		e.Facts = append(e.Facts, Fact{Name: name, Value: value})
	}
}

// person adds who somebody is: a person, or a team by its name.
func (e *SheetEvidence) person(name, owner string) {
	if strings.HasPrefix(owner, "p_") {
		e.Facts = append(e.Facts, Fact{Name: name, Person: workflows.PersonID(owner)})
		return
	}
	e.add(name, cmp.Or(strings.Replace(owner, identities.GroupPrefix, "the group ", 1), "nobody"))
}

// otherSide says for whom a reviewer speaks, and who looks at the other side.
func (e *SheetEvidence) otherSide() {
	switch e.Side {
	case campaigns.SideBusiness:
		e.add("you speak for", "the business that needs it")
	case campaigns.SideTechnical:
		e.add("you speak for", "those who run it")
	default:
		return
	}
	e.person("the other side is looked at by", string(e.With))
}

func dayOrUnknown(at workflows.Stamp) string {
	if at == 0 {
		return "not known"
	}
	return at.Time().Format(time.DateOnly)
}

func (d *Desk) identityEvidence(ctx context.Context, e *SheetEvidence, now workflows.Stamp) error {
	h, err := d.ledger.History(ctx, workflows.IdentityStream(workflows.IdentityID(e.ID)))
	if err != nil {
		return err
	}
	s, err := identities.FoldIdentity(h)
	if err != nil {
		return err
	}
	row := s.Row()
	if row == nil || s.Life.Retired {
		e.Gone = true
		return nil
	}
	x := s.Entry()
	account, place, _ := s.Texts()
	e.Title, e.Now = cmp.Or(x.Name, e.ID), flagsOf(*row, now)
	e.add("is", strings.ReplaceAll(x.Class, "_", " ")+", "+row.State)
	e.add("for", x.Purpose)
	e.person("owner", x.Owner)
	e.person("backup", x.Backup)
	if x.Business != "" {
		e.person("business owner", x.Business)
	}
	e.otherSide()
	if x.Target != "" {
		e.add("on", string(x.Target)+" as "+cmp.Or(account, "an account that is not on record"))
	}
	e.add("may", strings.Join(x.Scope, ", "))
	e.add("was seen to use", strings.Join(x.Used, ", "))
	e.Facts = append(e.Facts, Fact{Name: "used last", Value: dayOrUnknown(x.LastUsed), moves: true})
	e.add("secret", cmp.Or(x.Stored, "nobody knows where")+" "+place+", made "+dayOrUnknown(row.Rotated))
	e.add("ends", dayOrUnknown(x.Expires))
	e.add("approved by", cmp.Or(x.Ticket, "nothing on record"))
	for _, r := range s.Life.Renewals {
		for _, p := range r.Approvers {
			e.Facts = append(e.Facts, Fact{Name: "renewed by", Person: p})
		}
	}
	e.add("attested last", dayOrUnknown(row.Attested))
	if before, ok := identities.AtLastReview(h); ok {
		for _, c := range identities.Changes(before, x) {
			e.Changed = append(e.Changed, d.changeWords(ctx, c))
		}
	}
	return nil
}

// changeWords is a change as people read it.
func (d *Desk) changeWords(ctx context.Context, c identities.Change) string {
	say := func(v string) string {
		switch {
		case v == "":
			return "nothing"
		case strings.HasPrefix(v, "p_"):
			return d.Name(ctx, workflows.PersonID(v))
		}
		return v
	}
	return fmt.Sprintf("%s is %s, was %s", strings.ReplaceAll(c.Field, "_", " "), say(c.After), say(c.Before))
}

func (d *Desk) accessEvidence(ctx context.Context, e *SheetEvidence) error {
	s, err := d.TargetState(ctx, e.Target)
	if err != nil {
		return err
	}
	x, ok := s.Open[e.ID]
	if !ok {
		e.Gone = true
		return nil
	}
	e.Title = x.Found.What
	e.add("on", string(e.Target)+" as "+cmp.Or(x.Found.Account, "an account that is not on record"))
	e.person("account of", e.Owner)
	e.add("made by", cmp.Or(x.Found.MadeBy, "the target does not say"))
	e.add("made", dayOrUnknown(x.Found.MadeAt))
	e.Facts = append(e.Facts, Fact{Name: "used last", Value: dayOrUnknown(x.Found.LastUsed), moves: true})
	e.add("found", dayOrUnknown(x.At))
	if x.Accepted {
		e.person("answered for by", string(x.By))
		e.add("because", x.Reason)
	} else {
		e.Now = []string{"unexplained"}
	}
	return nil
}

// requestable finds a chain through which the holder could ask for what a finding is about; the words say why there is none.
func (d *Desk) requestable(ctx context.Context, x campaigns.Item) (chain, why string, err error) {
	who := workflows.PersonID(x.Owner)
	if who == "" {
		return "", "Nobody's account is on record for it, so nobody could ask for it afterwards: revoke it, or say whose it is.", nil
	}
	if d.access == nil {
		return "", "", errNoAccess
	}
	offers, err := d.access.Requestable(ctx, x.Target, x.ID)
	if err != nil {
		return "", "", err
	}
	p := d.Policy()
	for _, id := range slices.Sorted(maps.Keys(p.Workflows)) {
		w := p.Workflows[id].Workflow
		for _, e := range offers {
			if _, ok := w.Entitlement(x.Target, e); !ok || !w.Allows(workflows.ForSelf) || w.Kind == workflows.KindWindow || w.Kind == workflows.KindPreapprove {
				continue
			}
			if _, may, err := d.mayAsk(ctx, p, w, who); err == nil && may {
				return string(id) + " (" + string(x.Target) + "/" + string(e) + ")", "", nil
			}
		}
	}
	return "", "No chain gives this to its holder, so it could not be asked for afterwards. Write a workflow that does, or revoke it.", nil
}
