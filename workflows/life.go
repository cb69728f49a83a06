package workflows

import "slices"

// What an approval of kind KindLife does to a non-human identity. What widens or prolongs goes through people; what narrows (suspend, retire) does not.
const (
	LifeOnboard = "onboard" // there is a new one, with an owner, a purpose, an environment, a ticket and an end on record
	LifeScope   = "scope"   // it may do something else
	LifeRenew   = "renew"   // its end moves
)

// LifeActions lists them, in the order of the manual.
func LifeActions() []string { return []string{LifeOnboard, LifeScope, LifeRenew} }

// LifeTerms say what a chain does to an identity.
type LifeTerms struct {
	Action string `json:"action"`
	Make   bool   `json:"make,omitempty"` // its connector makes the account on the target, or changes it, too; LifeScope without: people do, with evidence
}

// Fields of a form by which an identity is made or changed. Those of LifeOnboard are all needed but the backup; LifeScope needs LifeFieldScope.
const (
	LifeFieldID          = "identity"    // FieldNewID
	LifeFieldKind        = "kind"        // FieldChoice
	LifeFieldOwner       = "owner"       // FieldPerson
	LifeFieldBackup      = "backup"      // FieldPerson
	LifeFieldPurpose     = "purpose"     // FieldText
	LifeFieldEnvironment = "environment" // FieldChoice
	LifeFieldTicket      = "ticket"      // FieldTicket
	LifeFieldScope       = "scope"       // FieldChoice, FieldTicket or FieldOffer
)

// LifeFields are the fields that a form of an action needs, with the types that each may have.
func LifeFields(action string) map[string][]string {
	switch action {
	case LifeOnboard:
		return map[string][]string{
			LifeFieldID: {FieldNewID}, LifeFieldKind: {FieldChoice}, LifeFieldOwner: {FieldPerson}, LifeFieldPurpose: {FieldText}, LifeFieldEnvironment: {FieldChoice},
			LifeFieldTicket: {FieldTicket},
		}
	case LifeScope:
		return map[string][]string{LifeFieldScope: {FieldChoice, FieldTicket, FieldOffer}}
	}
	return nil
}

// LongestLife is the longest that an identity stands without being looked at again: a year, in days that hold one.
const LongestLife Span = 366 * 24 * 3600

// Stands is the most that a tier allows for the end that a chain gives an identity; zero: it gives none, or the tier does not say.
func (w *Workflow) Stands(t Tier) Span {
	if w.Kind != KindLife || w.Life == nil || w.Life.Action == LifeScope {
		return 0
	}
	return t.Stands
}

// EndWithin is the longest that a form may ask for, for the end that it gives an identity of that risk; zero: no tier says.
func (w *Workflow) EndWithin(e Entitlement, principal, risk string) Span {
	out := Span(0)
	least := func(t Tier) {
		if most := w.Stands(t); most > 0 && (out == 0 || most < out) {
			out = most
		}
	}
	if t, _, ok := w.TierOf(e, principal); ok {
		least(t)
	}
	if i := w.level(risk); i >= 0 {
		least(w.Risk.Tiers[i])
	}
	return out
}

// Whose is the identity whose life a request changes: the one that it makes, or its subject. It is empty for requests of other kinds.
func (s State) Whose() IdentityID {
	switch {
	case s.Asked.Request != KindLife:
		return ""
	case s.Asked.Subject.IsPerson():
		return IdentityID(s.Asked.Fields[LifeFieldID])
	}
	return s.Asked.Subject
}

// refuseLife refuses an ask that no identity could come of.
func (w *Workflow) refuseLife(a Ask, c Cleaned) *Refusal {
	switch {
	case w.Kind != KindLife:
		return nil
	case w.Life == nil || !slices.Contains(LifeActions(), w.Life.Action):
		return Refuse(CodeNoPolicy, "This chain does not say what it does to an identity.", "Ask its owner.")
	case w.Life.Action != LifeOnboard && a.Subject.IsPerson():
		return Refuse(CodeNotEligible, "This is for an identity of the inventory, not for a person.", "Say which: -for ID.")
	case w.Life.Action == LifeOnboard && !a.Subject.IsPerson():
		return Refuse(CodeNotEligible, "A new identity is asked for by a person, for nobody else.", "")
	}
	for name := range LifeFields(w.Life.Action) {
		if c.Fields[name] == "" && c.Texts[name] == "" {
			return Refuse(CodeBadField, name+": This is needed.", "") // a chain of the files asks for all of them; one from elsewhere is not believed
		}
	}
	return nil
}

// lifeWords says what is asked for, from what the request itself carries.
func lifeWords(a Submitted) string {
	switch {
	case a.Subject.IsPerson():
		return "make the identity"
	case a.Fields[LifeFieldScope] != "":
		return "let do " + a.Fields[LifeFieldScope] + " the identity"
	}
	return "renew the identity"
}
