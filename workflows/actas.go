package workflows

// ActAsTerms are what a chain demands of whoever is to act as a non-human identity (R95, R106; PCI DSS 8.6.1).
type ActAsTerms struct {
	Management  string `json:"management"`  // the stage in which management approves; no way around it
	Exceptional string `json:"exceptional"` // the choice of the form that names the circumstance
}

// LongestActAs bounds every grant to act as a non-human identity: a working day, after which somebody has to want it again.
const LongestActAs Span = 8 * 3600

// refuseActAs refuses an ask to act as a non-human identity by somebody who did not prove who they are.
func (w *Workflow) refuseActAs(a Ask, c Cleaned) *Refusal {
	switch {
	case (w.Kind == KindActAs) != (c.Entitlement.ActsAs != ""):
		return Refuse(CodeNoPolicy, "Whoever acts as a non-human identity asks through a chain of kind impersonate, and such a chain grants nothing else.", "Ask the owner of this chain.")
	case w.Kind != KindActAs:
		return nil
	case w.ActAs == nil || c.Fields[w.ActAs.Exceptional] == "":
		return Refuse(CodeNoPolicy, "This chain does not say what is exceptional, or who of management approves.", "Ask its owner.")
	case a.Subject != a.By.Person.Identity():
		return Refuse(CodeNotEligible, "Only you yourself can act as an identity by this.", "Ask for yourself.")
	case !StepsUp(a.Authn):
		return Refuse(CodeStepUp, "To act as "+string(c.Entitlement.ActsAs)+" you have to prove that it is you who asks: a click is not enough.",
			"Ask on the bot's host: countersign request "+string(w.ID)+".")
	}
	return nil
}

// Management are those who approved in the stage that is management's, in the order of their votes.
func (s *State) Management(t *ActAsTerms) []PersonID {
	var out []PersonID
	for _, st := range s.Stages {
		if t == nil || st.Plan.Name != t.Management {
			continue
		}
		for _, v := range st.Votes {
			if v.Verdict == Approve && !v.TakenBack {
				out = append(out, v.Person)
			}
		}
	}
	return out
}
