package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// discovered turns what a target has into a claim. An account that the files give to a person is that person's; one that they give to an identity
// is that one; one that is known by its mark is that; anything else is new, under a name that tells nobody's. What exists because of a grant is in the
// ledger already, but a certificate is a thing of its own: it works wherever its authority is believed.
func (s *serving) discovered(ctx context.Context, t workflows.TargetID, x runbooks.Discovered) (desk.IdentityClaim, bool, error) {
	if x.Grant != "" && x.Kind != kindCertificate || x.Kind == identities.KindHuman && x.Of == "" {
		return desk.IdentityClaim{}, x.Kind == identities.KindHuman, nil
	}
	account := nameOnTarget(x)
	says := identities.Entry{
		Class: cmp.Or(x.Kind, "service_account"), Target: t, Scope: x.Grants, Created: discoveredAt(x.MadeAt), LastUsed: discoveredAt(x.LastUsed), Expires: discoveredAt(x.Expires),
		Serial: x.Facts["serial"], LastFour: x.Facts["last_four"], Mark: s.accountMark(t, account), Environment: s.desk.Policy().Targets[t].Environment,
	}
	if x.Kind == identities.KindApp {
		says.Name, says.Vendor, says.DataReach = x.Name, x.Facts[runbooks.FactVendor], x.Facts[runbooks.FactReach]
	}
	if x.Strong {
		says.Scope = append([]string{"superuser"}, says.Scope...)
	}
	if x.Fingerprint != "" {
		says.Print = s.keyedPrint(x.Fingerprint)
	}
	if x.Grant != "" {
		if err := s.issued(ctx, x.Grant, &says); err != nil {
			return desk.IdentityClaim{}, false, err
		}
	}
	hint := x.Owner
	switch people := s.peopleOf(t, account, x.Of); {
	case len(people) == 1 && x.Of == "":
		return desk.IdentityClaim{}, true, nil
	case len(people) == 1:
		says.Person = people[0] // a credential of a person's own account
	case len(people) > 1: // neither: nobody answers for it until somebody says whose it is
		hint = "the account of " + s.keysOfPeople(people)
	}
	id, err := s.foundAs(ctx, t, x, says.Mark)
	return desk.IdentityClaim{ID: id, Claim: identities.Claimed{Source: identities.DiscoverySource(t), Says: says, Account: account, Hint: hint}}, false, err
}

// peopleOf are the people to whom the files give an account on a target, by name. More than one cannot be told apart (R67): check refuses that, and a
// change of one of them that waits for people can still bring it about.
func (s *serving) peopleOf(t workflows.TargetID, account, of string) (out []workflows.PersonID) {
	for id, p := range s.desk.Policy().People {
		if name := p.Accounts[t]; name != "" && (name == account || name == of || "user "+name == of) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func (s *serving) keysOfPeople(people []workflows.PersonID) string {
	keys := make([]string, len(people))
	for i, p := range people {
		keys[i] = s.keyOf(string(p))
	}
	return strings.Join(keys, " and ")
}

const kindCertificate = "certificate"

// nameOnTarget names what was found so that it is told from all else on the target: people give two keys the same title, and an account has several.
func nameOnTarget(x runbooks.Discovered) string {
	switch x.Kind {
	case "api_key", "oauth_token", "ssh_key", kindCertificate, identities.KindApp:
		return cmp.Or(x.Ref, x.Name)
	}
	return cmp.Or(x.Name, x.Ref)
}

// issued adds what the ledger knows of a certificate that a grant made: who asked answers for it, and the request is the evidence of its approval.
func (s *serving) issued(ctx context.Context, g workflows.GrantID, says *identities.Entry) error {
	h, err := s.desk.Grant(ctx, g)
	if errors.Is(err, workflows.ErrNoStream) {
		return nil // a grant that no entry knows: nobody owns it, which is the finding
	}
	if err != nil {
		return err
	}
	a := h.Hold.Approved
	says.Creator = a.Requester
	says.Owner, says.Stored, says.Purpose = string(a.Requester), identities.StoredNone, fmt.Sprintf("carries the access of grant %s", g)
	says.Backup = string(s.desk.Policy().People[a.Requester].Manager)
	if a.Request != "" {
		says.Ticket = workflows.KindRequest + "/" + string(a.Request)
	}
	return nil
}

func discoveredAt(t time.Time) workflows.Stamp {
	if t.IsZero() {
		return 0
	}
	return workflows.StampOf(t)
}

// matchIdentity finds the identity whose account on a target goes by a name; of several the first. Empty: nobody has it on record. An app is matched with apps
// only: it may have the name of somebody's account.
func (s *serving) matchIdentity(ctx context.Context, t workflows.TargetID, account string, app bool) (workflows.IdentityID, error) {
	fits := func(kind string) bool { return !app || kind == identities.KindApp }
	for id, i := range s.desk.Policy().Identities {
		if i.Accounts[t] == account && account != "" && fits(i.Class) {
			return id, nil
		}
	}
	var found workflows.IdentityID
	var err error
	for _, m := range s.keyedPrints(accountText(t, account)) {
		if found != "" || err != nil {
			break
		}
		err = s.desk.EachIdentity(ctx, workflows.InventoryQuery{Key: identities.MarkKey(m)}, func(r workflows.InventoryRow) error {
			if found == "" && fits(r.Kind) {
				found = r.ID
			}
			return nil
		})
	}
	return found, err
}

// foundAs names what was found on a target: as it is known, or, where nobody has it on record, by a name that tells nobody's. An app goes by its number there, since
// labels repeat; files, and programs of before, have its label.
func (s *serving) foundAs(ctx context.Context, t workflows.TargetID, x runbooks.Discovered, mark string) (workflows.IdentityID, error) {
	id, err := s.matchIdentity(ctx, t, nameOnTarget(x), false)
	if app := x.Kind == identities.KindApp; err == nil && id == "" && app && x.Name != "" {
		id, err = s.matchIdentity(ctx, t, x.Name, app)
	}
	if id == "" {
		id = workflows.IdentityID("found-" + string(t) + "-" + strings.TrimPrefix(mark, "hmac:")[:12])
	}
	return id, err
}

// hintOf says whom the target names as owner where nobody answers for an identity, and who of the people file that may be.
func (s *serving) hintOf(state identities.IdentityState, e identities.Entry) string {
	hint := state.Hint()
	if hint == "" || e.Owner != "" {
		return ""
	}
	out := fmt.Sprintf("The target names %q as its owner, which is a hint and decides nothing", hint)
	for id, p := range s.desk.Policy().People {
		if id == s.personNamed(hint) || p.Accounts[e.Target] != "" && p.Accounts[e.Target] == hint {
			return out + "; " + p.Name + " goes by that name"
		}
	}
	return out
}
