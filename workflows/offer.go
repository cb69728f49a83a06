package workflows

// Counter offers other terms on behalf of somebody who could decide the open stage now. The request goes on as it is until its requester
// accepts.
func (w *Workflow) Counter(f Facts, id RequestID, b Ballot) (Outcome, error) {
	b.Verdict = Counter
	return w.Vote(f, id, b)
}

func (w *Workflow) counter(t *turn, b Ballot) (Outcome, error) {
	if r := w.refuseTerms(&t.State, b.Terms, t.now.UTC); r != nil {
		return RefuseOn(t.stream, b.By, "counter", b.Channel, "", r), nil
	}
	t.add(b.By, Countered{
		Offer: b.Offer, Stage: b.Stage, Terms: b.Terms, Reason: b.Reason, Digest: t.Asked.Digest, Shown: b.Shown,
		Authn: b.Authn, Channel: b.Channel, ReceivedAt: b.ReceivedAt,
	})
	return t.done()
}

// refuseTerms holds an offer to what an offer may be: shorter, narrower or later than what was asked, and something that the workflow grants.
func (w *Workflow) refuseTerms(s *State, o Terms, now Stamp) *Refusal {
	bad := func(text string) *Refusal { return Refuse(CodeBadField, text, "") }
	switch {
	case len(s.Offers) >= MaxOffers:
		return Refusef(CodeTooMany, "Talk to the requester.", "This request has %d offers already.", len(s.Offers))
	case o == (Terms{}):
		return bad("Offer something shorter, narrower or later than what was asked.")
	case o.Seconds != 0 && (o.Seconds < 60 || o.Seconds >= s.Asked.Seconds):
		return bad("duration: Offer less than " + s.Asked.Seconds.String() + ", and at least 1m.")
	case o.NotBefore != 0 && (o.NotBefore <= max(now, s.Asked.NotBefore) || o.NotBefore > now.Add(w.Later.Duration())):
		return bad("not_before: Offer a later start, at most " + w.Later.String() + " ahead.")
	case (o.Target == "") != (o.Entitlement == ""):
		return bad("entitlement: Name the target and what to hold on it.")
	}
	if o.Target == "" {
		return nil
	}
	return w.refuseNarrower(s, o, bad)
}

func (w *Workflow) refuseNarrower(s *State, o Terms, bad func(string) *Refusal) *Refusal {
	e, ok := w.Entitlement(o.Target, o.Entitlement)
	asked, known := w.Entitlement(s.Asked.Target, s.Asked.Entitlement)
	seconds := o.Seconds
	if seconds == 0 {
		seconds = s.Asked.Seconds
	}
	switch {
	case !ok || !known || e.Name() == asked.Name():
		return bad("entitlement: Offer another one of this chain.")
	case seconds > w.LongestFor(e):
		return bad("duration: That is given for " + w.LongestFor(e).String() + " at most; offer less.")
	case w.Risk != nil && w.tierLevel(e, s) > w.level(s.Asked.Risk), w.Risk == nil && e.breadth() > asked.breadth():
		return bad("entitlement: Offer something that is no riskier than what was asked.")
	}
	return nil
}

// tierLevel is how high the tier of another entitlement stands for the same holder; above all others where it cannot be told.
func (w *Workflow) tierLevel(e Entitlement, s *State) int {
	tier, _, ok := w.TierOf(e, s.Asked.Principal)
	if !ok {
		return len(w.Risk.Tiers)
	}
	return w.level(tier.Name)
}

// breadth orders entitlements where no risk table does: by what they let do, then by to how much. Unknown words stand highest.
func (e Entitlement) breadth() int {
	rank := func(word string, words ...string) int {
		for i, w := range words {
			if w == word {
				return i
			}
		}
		return len(words)
	}
	return 10*rank(e.Action, ActionRead, ActionWrite, ActionAdmin) + rank(e.Breadth, BreadthOne, BreadthSet, BreadthAll)
}

// Acceptance is the requester taking up a counter-offer, with everything that a submission with its terms wants to know.
type Acceptance struct {
	By      Acting
	Offer   string
	Ask     Ask      // with the terms in its form; Offer is filled in here
	Offerer Standing // of who made the offer: may they still decide the stage of that name
	Final   Final    // in case the offerer's approval is all that is needed
	Authn   string
	Channel string
}

// Accept ends the old request as superseded and opens the new one, both or neither. If the offer was made in a stage that the new one
// begins with and the offerer may decide it, their offer counts as their approval there: they have approved these very terms. Votes that were
// given on the old text do not carry over. w is the version that binds the new request.
func (w *Workflow) Accept(f Facts, id RequestID, a Acceptance) (Outcome, error) {
	s, err := Fold(f.Histories[RequestStream(id)])
	if err != nil {
		return unknownOr(err, a.By, "accept", a.Channel, string(id))
	}
	o, r := s.standing(a.By, a.Offer, f.Now.UTC)
	if r != nil {
		return RefuseOn(RequestStream(id), a.By, "accept", a.Channel, "", r), nil
	}
	if len(f.Histories[RequestStream(a.Ask.ID)]) > 0 || a.Ask.ID == id {
		return Outcome{}, ErrExists
	}
	if !s.isAskOf(o.Terms, a.Ask) {
		return Outcome{}, errOtherTerms
	}
	if a.Ask.Document != s.Asked.Document {
		r := Refuse(CodeRunbook, "This runbook was changed since the offer was made.", "Ask anew.")
		return RefuseOn(RequestStream(id), a.By, "accept", a.Channel, "", r), nil
	}
	a.Ask.Offer = OfferRef{Request: id, Offer: o.ID, By: o.By.Person, Stage: s.Stages[o.Stage].Plan.Name}
	a.Ask.Open = max(0, a.Ask.Open-1) // the old one ends
	next, r := w.submit(f.Now, a.Ask)
	if r != nil {
		return RefuseOn(RequestStream(id), a.By, "accept", a.Channel, "", r), nil
	}
	w.carry(next, o, a)
	old := newTurn(s, id, f.Now)
	old.add(a.By, OfferAccepted{Offer: o.ID, Request: a.Ask.ID, Authn: a.Authn, Channel: a.Channel})
	old.add(System, Superseded{Code: CodeCountered, Why: "The requester accepted other terms: request " + string(a.Ask.ID) + "."})
	out, err := old.done()
	if err != nil {
		return Outcome{}, err
	}
	more, err := next.done()
	if err != nil {
		return Outcome{}, err
	}
	out.Events = append(out.Events, more.Events...)
	return out, nil
}

// errOtherTerms is a caller's mistake: what the offerer approved is not what would be asked.
const errOtherTerms = errString("accepting an offer: the new request does not ask for what was offered")

// isAskOf tells whether an ask is the old request with the terms of an offer and nothing else changed that an approver decides on.
func (s *State) isAskOf(o Terms, a Ask) bool {
	want := o.With(Form{Target: s.Asked.Target, Entitlement: s.Asked.Entitlement, Seconds: s.Asked.Seconds})
	same := a.Subject == s.Asked.Subject && a.Form.Target == want.Target && a.Form.Entitlement == want.Entitlement
	if s.Asked.Request.OfRunbook() {
		same = a.Runbook == s.Asked.Runbook && (s.Asked.Request == KindPreapprove || a.Subject == s.Asked.Subject)
	}
	return same && a.Form.Seconds == want.Seconds && a.NotBefore >= max(o.NotBefore, s.Asked.NotBefore)
}

// carry records the offerer's approval of the terms that they offered, where the first stage is the one in which they made the offer. Whatever
// stands in the way leaves the new request open: they can still click.
func (w *Workflow) carry(t *turn, o Offer, a Acceptance) {
	st := t.open()
	if t.err != nil || st == nil || st.Plan.Name != a.Ask.Offer.Stage || a.Offerer.Refusal() != nil || !a.Offerer.Selected {
		return
	}
	b := Ballot{
		By: o.By, Standing: a.Offerer, Verdict: Approve, Stage: t.Current, Shown: t.Shown(t.Current), ReceivedAt: t.now.UTC,
		Authn: offered(o.Authn), Channel: a.Channel, Rosters: a.Ask.Rosters, Voters: a.Final.Voters, Grant: a.Final.Grant,
		WorkflowGone: a.Final.Gone, Frozen: a.Final.Frozen, Conflict: a.Final.Conflict,
	}
	seat, r := t.refuseVote(b)
	if r != nil {
		return
	}
	vote := t.vote(b, seat)
	vote.Opened = 0 // they made the offer that this is
	would := *st
	would.Votes = append(would.Votes[:len(would.Votes):len(would.Votes)], Vote{Person: o.By.Person, Verdict: Approve, For: seat.For, Parts: seat.Parts})
	if would.Missing() > 0 {
		t.add(o.By, vote)
		return
	}
	if r, err := t.unsure(b, nil); r != nil || err != nil {
		return
	}
	t.add(o.By, vote)
	t.add(System, StageSatisfied{Stage: b.Stage})
	t.advance(b, nil)
}

// OfferAnswer is the requester turning a counter-offer down.
type OfferAnswer struct {
	By      Acting
	Offer   string
	Channel string
}

// Decline turns a counter-offer down; the request goes on as it was.
func Decline(f Facts, id RequestID, a OfferAnswer) (Outcome, error) {
	s, err := Fold(f.Histories[RequestStream(id)])
	if err != nil {
		return unknownOr(err, a.By, "decline", a.Channel, string(id))
	}
	if _, r := s.standing(a.By, a.Offer, 0); r != nil {
		return RefuseOn(RequestStream(id), a.By, "decline", a.Channel, "", r), nil
	}
	t := newTurn(s, id, f.Now)
	t.add(a.By, OfferDeclined{Offer: a.Offer, Channel: a.Channel})
	return t.done()
}

// standing finds an offer that the requester can still answer. now is zero where the deadline of the stage does not matter.
func (s *State) standing(by Acting, id string, now Stamp) (Offer, *Refusal) {
	switch {
	case by.Person == "" || by.Person != s.Requester.Person:
		return Offer{}, Refuse(CodeNotYours, "Only the person who asked can answer an offer.", "")
	case s.Final():
		return Offer{}, s.refuseDecided(by.Person)
	}
	i := s.offer(id)
	if i < 0 || s.Offers[i].Status != OfferOpen {
		return Offer{}, Refuse(CodeNoOffer, "This offer does not stand any more.", "Look at the request again.")
	}
	if st := s.open(); st != nil && now.After(st.TimesOutAt) {
		return Offer{}, Refuse(CodeLate, "The deadline of the stage in which this was offered has passed.", "Ask anew with these terms.")
	}
	return s.Offers[i], nil
}

// OffersOf are the counter-offers that stand.
func OffersOf(s State) []Offer {
	var out []Offer
	for _, o := range s.Offers {
		if o.Status == OfferOpen {
			out = append(out, o)
		}
	}
	return out
}

// With is a form with the terms of an offer in it.
func (o Terms) With(f Form) Form {
	if o.Seconds != 0 {
		f.Seconds = o.Seconds
	}
	if o.Target != "" {
		f.Target, f.Entitlement = o.Target, o.Entitlement
	}
	return f
}
