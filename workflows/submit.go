package workflows

import (
	"strconv"
	"strings"
)

// Ask is a submission with everything that had to be asked of the world: decide reads nothing else.
type Ask struct {
	ID       RequestID
	By       Acting
	Standing Standing // of the requester; Selected means "may ask"
	Rule     string   // which part of may_ask let the requester in
	Policy   DocHash  // current version of the workflow
	Form     Form
	Subject  IdentityID
	Sponsor  PersonID // owner who answers for a non-human subject
	Owned    bool     // the requester owns or backs up the subject
	Account  string   // the subject's account on the target, where the entitlement needs one
	Runbook  RunbookID
	Document DocHash // KindPreapprove: the text's hash as it stands now
	Rosters  Rosters
	Open     int // open requests of this person
	Nonce    string
	Channel  string
	Authn    string
	Drill    bool

	Matched   []bool // answers of the workflow's rules, in order; nil where it has none
	Inputs    string // canonical JSON of what the conditions saw
	Principal string // "person", or the kind of the non-human subject: for the risk table
	Report    bool   // the subject reports to the requester
	Asked     int    // asks of this person for this workflow within Often.Per
	Auto      int    // automatic approvals of this person by this workflow within the chosen rule's Auto.Per
	Frozen    string // name of the change freeze in force; empty: none
	Closed    bool   // outside the business hours of the workflow's calendar
	Held      Held   // the same access, active now
	Twin      RequestID
	Conflict  string  // why the subject may not hold this beside what they hold or have asked for; empty: no conflict
	Extends   GrantID // the active grant that more time is asked for
	Offer     OfferRef
	NotBefore Stamp
	Window    string  // id of the standing window that covers the ask, with WindowNo empty
	WindowNo  string  // why a standing window does not cover it
	Grant     GrantID // id for the grant, if the document itself approves
}

// Held is access that the subject has already; the zero value is none.
type Held struct {
	Grant   GrantID
	Ends    Stamp
	Started Stamp // of the first grant of a row of extensions
}

// Rosters are the people that the selectors of a workflow yield now, by stage, without regard to who asked.
type Rosters struct {
	Stages []StageRoster
	Failed bool // the directory could not be asked: not the same as "nobody"
}

// StageRoster is who one stage would ask, and whom its escalation would add.
type StageRoster struct {
	Approvers []Seat
	Escalate  []Seat   // the first tier
	Then      [][]Seat // the tiers behind it
	Told      []PersonID

	// Moments that only a calendar can tell, as of when the world was asked; zero: elapsed time, counted by the engine.
	RemindAt   Stamp
	EscalateAt Stamp
	ThenAt     []Stamp
	ShiftsAt   []Stamp // within the stage's time-out
}

// Submit opens a request and its first stage, or refuses.
func (w *Workflow) Submit(f Facts, a Ask) (Outcome, error) {
	stream := RequestStream(a.ID)
	if len(f.Histories[stream]) > 0 {
		return Outcome{}, ErrExists
	}
	form, bad := w.CheckForm(a.Form)
	if r := w.refuseAsk(a, form, bad); r != nil {
		return RefuseOn(SystemStream, a.By, "submit", a.Channel, string(w.ID), r), nil
	}
	sub := w.submitted(a, form)
	sub.Digest = sub.digest(a.ID, a.Policy, a.By.Person)
	var out Outcome
	out.Add(stream, a.By, a.Policy, sub)
	s := State{ID: a.ID, Asked: sub, Requester: a.By, Policy: a.Policy, At: f.Now, Status: StatusOpen}
	s.Stages = make([]StageState, len(sub.Plan))
	for i, p := range sub.Plan {
		s.Stages[i] = StageState{Plan: p, Status: StageWaiting}
	}
	for i, r := range a.Rosters.Stages {
		if n := len(s.free(i, append(append([]Seat(nil), r.Approvers...), r.Escalate...))); n < w.Stages[i].Quorum {
			ref := Refusef(CodeNobody, "Ask the owner of this chain to widen it.",
				"Nobody could approve this: stage %d (%s) needs %d and has %d once you are left out.", i+1, w.Stages[i].Name, w.Stages[i].Quorum, n)
			return RefuseOn(SystemStream, a.By, "submit", a.Channel, string(w.ID), ref), nil
		}
	}
	s.openStage(&out, stream, f.Now, 0, a.Rosters)
	return out, nil
}

// ErrExists is what submitting under a used id answers.
var ErrExists = errString("request id already used")

type errString string

func (e errString) Error() string { return string(e) }

func (w *Workflow) refuseAsk(a Ask, c Cleaned, bad []FieldProblem) *Refusal {
	switch r := a.Standing.Refusal(); {
	case r != nil && r.Code == CodeUnlinked, r == nil && a.By.Person == "":
		// Whoever could ask without being known as a person could approve with their other account.
		return Refuse(CodeUnlinked, "This account is not linked to a person in the people file, so it cannot ask for access.", "Ask the operator to add you to people.yaml.")
	case r != nil:
		return r
	}
	switch {
	case a.Rosters.Failed:
		return Refuse(CodeDirectory, "I could not find out who approves this just now, so nothing was recorded.", "Try again in a minute.")
	case len(w.Stages) == 0 || len(a.Rosters.Stages) != len(w.Stages):
		return Refuse(CodeNoPolicy, "This chain has no stages, so nobody can approve it.", "Ask its owner.")
	case !w.wantsApproval():
		return Refuse(CodeNoPolicy, "A stage of this chain asks for nobody's approval, so it cannot give one.", "Ask its owner.")
	case !a.Standing.Selected:
		return Refuse(CodeNotEligible, "You are not among those who may ask for this.", "Type `/access list` to see what you can ask for.")
	case len(bad) > 0:
		return Refuse(CodeBadField, bad[0].Field+": "+bad[0].Text, "")
	case a.Open >= MaxOpenPerson:
		return Refusef(CodeTooMany, "Withdraw one of them or wait.", "You already have %d open requests.", a.Open)
	}
	return w.refuseSubject(a, c)
}

// wantsApproval tells whether every stage needs at least one person. The files are checked for it when they are read; a
// policy from elsewhere is not believed.
func (w *Workflow) wantsApproval() bool {
	for _, st := range w.Stages {
		if st.Quorum < 1 {
			return false
		}
	}
	return true
}

func (w *Workflow) refuseSubject(a Ask, c Cleaned) *Refusal {
	if w.Kind == KindPreapprove {
		if a.Runbook == "" || a.Document == "" {
			return Refuse(CodeRunbook, "There is no such runbook.", "Type `/breakglass` to see the list.")
		}
		return nil
	}
	switch self := a.Subject == a.By.Person.Identity(); {
	case a.Subject == "":
		return Refuse(CodeNotInInventory, "There is no such identity in the inventory.", "Register it with an owner, a purpose and an expiry first.")
	case c.Entitlement.Owner == "":
		return Refuse(CodeNoPolicy, "This target has no owner, so nobody can request it.", "")
	case self && !w.Allows(ForSelf), !self && !w.Allows(ForOwned):
		return Refuse(CodeNotEligible, "This chain does not grant to that kind of holder.", "")
	case !self && !a.Owned:
		return Refuse(CodeNotEligible, "You can ask for yourself and for identities that you own or back up.", "")
	case c.Entitlement.Account && a.Account == "":
		return Refusef(CodeNotInInventory, "Ask the operator to add it to the people or identities file.", "%s has no account on record on %s.", holderWord(self), c.Entitlement.TargetTitle)
	}
	return nil
}

func holderWord(self bool) string {
	if self {
		return "Your entry"
	}
	return "This identity"
}

func (w *Workflow) submitted(a Ask, c Cleaned) Submitted {
	sub := Submitted{
		Workflow: w.ID, Request: w.Kind, Subject: a.Subject, Sponsor: a.Sponsor, Seconds: c.Seconds,
		Target: c.Entitlement.Target, Entitlement: c.Entitlement.ID, Account: a.Account,
		Fields: c.Fields, Texts: c.Texts, Reason: c.Reason, Channel: a.Channel, Authn: a.Authn, Rule: a.Rule,
		Nonce: a.Nonce, Card: w.Channel, Drill: a.Drill,
	}
	if w.Kind == KindPreapprove {
		sub.Runbook, sub.Document, sub.Subject = a.Runbook, a.Document, a.By.Person.Identity()
	}
	for _, st := range w.Stages {
		p := PlannedStage{Name: st.Name, Quorum: st.Quorum, Remind: st.Remind, Timeout: st.Timeout, Repeat: st.Repeat}
		if st.Escalate != nil {
			p.Escalate = st.Escalate.After
		}
		sub.Plan = append(sub.Plan, p)
	}
	return sub
}

// openStage opens stage i for those of its roster who can decide. A roster that cannot meet the quorum is widened at once;
// one that cannot even then ends the request: waiting would only burn time.
func (s State) openStage(out *Outcome, stream StreamID, now Instant, i int, rosters Rosters) {
	plan := s.Stages[i].Plan
	var first, wider []Seat
	if i < len(rosters.Stages) {
		first = s.free(i, rosters.Stages[i].Approvers)
		wider = widen(first, s.free(i, rosters.Stages[i].Escalate))
	}
	if rosters.Failed || len(first)+len(wider) < plan.Quorum {
		why := "Nobody could approve stage " + strconv.Itoa(i+1) + " (" + plan.Name + ")."
		if rosters.Failed {
			why = "Who approves stage " + strconv.Itoa(i+1) + " (" + plan.Name + ") could not be found out."
		}
		out.Add(stream, System, s.Policy, Superseded{Code: CodeNobody, Why: why})
		return
	}
	e := StageOpened{Stage: i, Roster: first, TimesOutAt: now.UTC.Add(plan.Timeout.Duration())}
	if plan.Remind > 0 {
		e.RemindAt = now.UTC.Add(plan.Remind.Duration())
	}
	if plan.Escalate > 0 {
		e.EscalateAt = now.UTC.Add(plan.Escalate.Duration())
	}
	out.Add(stream, System, s.Policy, e)
	if len(first) < plan.Quorum {
		out.Add(stream, System, s.Policy, StageEscalated{Stage: i, Added: wider})
	}
}

// free leaves out of a roster whoever stands behind the request, whoever approved an earlier stage, and doubles.
func (s State) free(stage int, seats []Seat) []Seat {
	at := s
	at.Current = stage
	out := []Seat{}
	for _, seat := range seats {
		if seat.Person != "" && !s.Asker(seat.Person) && !at.spent(seat.Person) && len(out) < MaxRoster && !seated(out, seat.Person) {
			out = append(out, seat)
		}
	}
	return out
}

func seated(seats []Seat, p PersonID) bool {
	for _, s := range seats {
		if s.Person == p {
			return true
		}
	}
	return false
}

// widen gives those of more who are not on the roster yet, each once, as far as there is room.
func widen(roster, more []Seat) []Seat {
	out := []Seat{}
	for _, s := range more {
		if !seated(roster, s.Person) && !seated(out, s.Person) && len(roster)+len(out) < MaxRoster {
			out = append(out, s)
		}
	}
	return out
}

// RefuseOn is the Outcome that records a refusal and returns it.
func RefuseOn(stream StreamID, by Acting, command, channel, about string, r *Refusal) Outcome {
	var out Outcome
	out.Add(stream, by, "", Refused{Command: command, Code: r.Code, Channel: channel, About: cutAbout(about)})
	out.Refusal = r
	return out
}

// cutAbout keeps the id that an attempt was about, up to the first character that no id has: what somebody typed instead of an
// id must not get into a leaf, where it could never be erased.
func cutAbout(s string) string {
	if i := strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_-./", r)
	}); i >= 0 {
		s = s[:i]
	}
	return s[:min(len(s), maxAbout)]
}
