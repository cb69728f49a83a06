package identities

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
)

// How long things take.
const (
	RenewAhead   = 30 * 24 * time.Hour // the owner is asked so long before the end
	RotateWithin = 7 * 24 * time.Hour  // a rotation that policy or people open is done within
	LeakWithin   = 4 * time.Hour       // one after a leak
)

// Do is somebody doing something to an identity, with what was asked of the world.
type Do struct {
	By       workflows.Acting
	Standing workflows.Standing
	Command  string // for the record of a refusal
	Owns     bool   // is the owner or backup owner, or one of the team
	Security bool   // has the role security
	System   bool   // no person: a timer, a sweep, a command on behalf of the product
	Channel  string
	Authn    string
	Reason   string

	Stands func(risk string) time.Duration // how far ahead the end of an identity of that tier may lie; nil: MaxLife
}

// tooFar refuses an end beyond what the tier of an identity allows (R23).
func (d Do) tooFar(now, end workflows.Stamp, risk string) *workflows.Refusal {
	most := MaxLife
	if d.Stands != nil {
		most = min(most, d.Stands(risk))
	}
	switch {
	case end <= now.Add(most):
		return nil
	case most < MaxLife:
		return workflows.Refusef(workflows.CodeCap, "Give an earlier day.", "The risk of this identity is %s, which allows an end within %s.", risk, workflows.SpanOf(most))
	}
	return workflows.Refuse(workflows.CodeCap, "Nothing stands for more than a year without being looked at again.", "Give an earlier day.")
}

// on folds the identity and lets a decision be taken by somebody who may; allowed says who may beside security.
func (d Do) on(f workflows.Facts, id workflows.IdentityID, allowed bool, fn func(s IdentityState, out *workflows.Outcome) *workflows.Refusal) (workflows.Outcome, error) {
	var out workflows.Outcome
	stream := workflows.IdentityStream(id)
	s, err := FoldIdentity(f.Histories[stream])
	if err != nil {
		return out, err
	}
	if len(f.Histories[stream]) == 0 || s.Row() == nil {
		return d.unknown(id), nil
	}
	if r := d.Standing.Refusal(); !d.System && r != nil {
		return workflows.RefuseOn(stream, d.By, d.Command, d.Channel, "", r), nil
	}
	if !d.System && !d.Security && !allowed {
		return workflows.RefuseOn(stream, d.By, d.Command, d.Channel, "", workflows.Unknown()), nil
	}
	if utf8.RuneCountInString(d.Reason) > workflows.MaxReason {
		r := workflows.Refusef(workflows.CodeTooLong, "", "A reason has at most %d characters.", workflows.MaxReason)
		return workflows.RefuseOn(stream, d.By, d.Command, d.Channel, "", r), nil
	}
	if s.Life.Retired {
		r := workflows.Refuse(workflows.CodeDecided, "This identity was taken off: nothing more can become of it.", "Its history stays in the ledger.")
		return workflows.RefuseOn(stream, d.By, d.Command, d.Channel, "", r), nil
	}
	if r := fn(s, &out); r != nil {
		return workflows.RefuseOn(stream, d.By, d.Command, d.Channel, "", r), nil
	}
	return out, nil
}

// unknown answers for an identity that there is not: the same as for one that somebody may not see.
func (d Do) unknown(id workflows.IdentityID) workflows.Outcome {
	r := d.Standing.Refusal()
	if r == nil || d.System {
		r = workflows.Unknown()
	}
	return workflows.RefuseOn(workflows.SystemStream, d.By, d.Command, d.Channel, string(id), r)
}

// Claims records what a source says, if it says something new. Where the identity is not known yet, it is from now on.
func Claims(f workflows.Facts, by workflows.Acting, id workflows.IdentityID, c Claimed) (workflows.Outcome, error) {
	var out workflows.Outcome
	stream := workflows.IdentityStream(id)
	s, err := FoldIdentity(f.Histories[stream])
	if err != nil {
		return out, err
	}
	if i := slices.IndexFunc(s.Claims, func(o Claim) bool { return o.Source == c.Source && !o.Gone }); i >= 0 && s.Claims[i].equals(c) {
		return out, nil
	}
	out.Add(stream, by, "", c)
	return out, nil
}

// equals tells whether a claim says nothing new. That something was used again on the same day is nothing new.
func (c Claim) equals(o Claimed) bool {
	for _, f := range fields() {
		a, b := f.value(&c.Says), f.value(&o.Says)
		if f.name == "last_used" && len(a) > 10 && len(b) > 10 {
			a, b = a[:10], b[:10]
		}
		if a != b {
			return false
		}
	}
	return c.HasPlace == o.HasPlace && c.HasPath == o.HasPath && c.Account == o.Account && c.Place == o.Place && c.Path == o.Path && c.Hint == o.Hint
}

// Leaves records that a source knows the identity no more, if it did.
func Leaves(f workflows.Facts, id workflows.IdentityID, source, why string) (workflows.Outcome, error) {
	var out workflows.Outcome
	stream := workflows.IdentityStream(id)
	s, err := FoldIdentity(f.Histories[stream])
	if err == nil && slices.ContainsFunc(s.Claims, func(c Claim) bool { return c.Source == source && !c.Gone }) {
		out.Add(stream, workflows.System, "", Vanished{Source: source, Why: why})
	}
	return out, err
}

// OpenHandover asks people to take an identity over. One that is open already for the same reason stays; a departure replaces any other.
func OpenHandover(f workflows.Facts, d Do, id workflows.IdentityID, h HandoverOpened) (workflows.Outcome, error) {
	stream := workflows.IdentityStream(id)
	return d.on(f, id, d.Owns, func(s IdentityState, out *workflows.Outcome) *workflows.Refusal {
		h.Rungs = slices.DeleteFunc(slices.Clone(h.Rungs), func(r Rung) bool { return len(r.People) == 0 })
		switch {
		case s.Life.Retirement != nil:
			return workflows.Refuse(workflows.CodeDecided, "This identity is being taken off.", "")
		case len(h.Rungs) == 0 && h.Silence == SilenceSuspends:
			if s.Life.Suspended == nil {
				out.Add(stream, d.By, "", Suspended{Why: SuspendedNoOwner, Channel: d.Channel})
			}
			return nil
		case len(h.Rungs) == 0:
			return workflows.Refuse(workflows.CodeNobody, "There is nobody to hand it over to.", "Name somebody.")
		}
		if open := s.Life.Handover; open != nil {
			if open.Why == h.Why && h.Why == WhyLeaver {
				return nil
			}
			if h.Why != WhyLeaver {
				return workflows.Refuse(workflows.CodeAsked, "A hand-over of this identity is open already.", "It has to be answered, or to lapse, first.")
			}
			out.Add(stream, d.By, "", HandoverLapsed{Handover: open.Handover, Why: "replaced"})
		}
		out.Add(stream, d.By, "", h)
		return nil
	})
}

// Answer is somebody's word on a hand-over.
type Answer struct {
	Do
	Verdict string
	Owner   string // who answers from now on; empty: who says so
	Backup  string // empty: as it was
	ID      string // of a rotation that follows
}

// AnswerHandover takes an identity over, declines to, or says that it can go.
func AnswerHandover(f workflows.Facts, a Answer, id workflows.IdentityID) (workflows.Outcome, error) {
	stream := workflows.IdentityStream(id)
	return a.on(f, id, true, func(s IdentityState, out *workflows.Outcome) *workflows.Refusal {
		h := s.Life.Handover
		switch {
		case h == nil || !slices.Contains(h.Asked(), a.By.Person):
			return workflows.Unknown()
		case a.Verdict != HandoverKeep && a.Verdict != HandoverRetire && a.Verdict != HandoverDecline:
			return workflows.Refuse(workflows.CodeBadField, "Say keep, retire or decline.", "")
		case a.Verdict == HandoverKeep && samePerson(cmp.Or(a.Owner, string(a.By.Person)), a.Backup):
			return refuseSame()
		case a.Verdict == HandoverDecline && utf8.RuneCountInString(strings.TrimSpace(a.Reason)) < 5:
			return workflows.Refuse(workflows.CodeReasonNeeded, "Say why you do not take it.", "Somebody else is asked then.")
		}
		e := HandoverAnswered{Handover: h.Handover, Verdict: a.Verdict, Reason: strings.TrimSpace(a.Reason), Authn: a.Authn, Channel: a.Channel}
		if a.Verdict == HandoverKeep {
			e.Owner, e.Backup = a.Owner, a.Backup
			if e.Owner == "" {
				e.Owner = string(a.By.Person)
			}
		}
		out.Add(stream, a.By, "", e)
		return a.follow(f, s, h, out)
	})
}

// samePerson tells whether one person is to be both, and would be away as both.
func samePerson(owner, backup string) bool { return backup != "" && owner == backup }

func refuseSame() *workflows.Refusal {
	return workflows.Refuse(workflows.CodeBadField, "Its owner and its backup owner are the same: nobody would answer for it while they are away.", "Name somebody else as backup.")
}

// follow is what an answer brings with it: a rotation where the owner before may know the secret, the list of what ends the identity, the next
// people when nobody is left to ask.
func (a Answer) follow(f workflows.Facts, s IdentityState, h *Handover, out *workflows.Outcome) *workflows.Refusal {
	stream := workflows.IdentityStream(s.ID)
	switch a.Verdict {
	case HandoverKeep:
		if h.Rotate && s.Rotating() == nil {
			out.Add(stream, workflows.System, "", RotationOpened{Rotation: a.ID, Why: RotateHandover, Due: f.Now.UTC.Add(RotateWithin)})
		}
	case HandoverRetire:
		if s.Life.Retirement == nil {
			out.Add(stream, a.By, "", RetirementOpened{Items: RetireItems(s), Authn: a.Authn, Channel: a.Channel})
		}
	default:
		left := slices.DeleteFunc(h.Asked(), func(p workflows.PersonID) bool { return p == a.By.Person })
		if len(left) == 0 {
			widen(f, s, h, out)
		}
	}
	return nil
}

// widen asks the next people, or ends what nobody took.
func widen(_ workflows.Facts, s IdentityState, h *Handover, out *workflows.Outcome) {
	stream := workflows.IdentityStream(s.ID)
	if h.Rung+1 < len(h.Rungs) {
		out.Add(stream, workflows.System, "", HandoverWidened{Handover: h.Handover, Rung: h.Rung + 1})
		return
	}
	if h.Silence == SilenceSuspends && s.Life.Suspended == nil {
		out.Add(stream, workflows.System, "", Suspended{Why: SuspendedNoOwner})
	}
	if h.Silence != SilenceSuspends || s.Life.Suspended == nil {
		why := "nobody took it over"
		if h.Silence == SilenceSuspends {
			return // the last people asked may still take it: that resumes it
		}
		out.Add(stream, workflows.System, "", HandoverLapsed{Handover: h.Handover, Why: why})
	}
}

// ItemAccount is the item of a retirement that the target itself can confirm.
const ItemAccount = "account"

// RetireItems are what has to be done before an identity is off the books (R86).
func RetireItems(s IdentityState) []RetireItem {
	e := s.Entry()
	items := []RetireItem{
		{ID: "grants", What: "every access that it holds is taken back"},
		{ID: ItemAccount, What: e.killItem()},
		{ID: "secret", What: "its secret is destroyed where it was stored"},
	}
	if e.Vendor != "" || e.ManagedBy == ManagedVendor {
		items = append(items, RetireItem{ID: "vendor", What: "the vendor confirmed that nothing of it is kept"})
	}
	if len(e.Uses) > 0 {
		items = append(items, RetireItem{ID: "uses", What: "what used it does without: " + strings.Join(e.Uses, ", ")})
	}
	return items
}

// Suspend takes everything away from an identity at once. Whoever answers for it may, and security.
func Suspend(f workflows.Facts, d Do, id workflows.IdentityID, why string) (workflows.Outcome, error) {
	return d.on(f, id, d.Owns, func(s IdentityState, out *workflows.Outcome) *workflows.Refusal {
		if s.Life.Suspended != nil {
			return workflows.Refuse(workflows.CodeDecided, "This identity is suspended already.", "")
		}
		out.Add(workflows.IdentityStream(id), d.By, "", Suspended{Why: why, Detail: strings.TrimSpace(d.Reason), Authn: d.Authn, Channel: d.Channel})
		return nil
	})
}

// Resume ends a suspension. Security decides that; an identity that has no owner, or is past its end, stays as it is.
func Resume(f workflows.Facts, d Do, id workflows.IdentityID) (workflows.Outcome, error) {
	return d.on(f, id, false, func(s IdentityState, out *workflows.Outcome) *workflows.Refusal {
		e := s.Entry()
		switch {
		case s.Life.Suspended == nil:
			return workflows.Refuse(workflows.CodeNotActive, "This identity is not suspended.", "")
		case s.Life.Retirement != nil:
			return workflows.Refuse(workflows.CodeDecided, "This identity is being taken off.", "")
		case s.Life.Suspended.Why == SuspendedNoOwner && s.Life.Handover != nil:
			return workflows.Refuse(workflows.CodeNobody, "Nobody answers for this identity yet.", "Somebody who was asked has to take it over first.")
		case e.Expires != 0 && f.Now.UTC.After(e.Expires):
			return workflows.Refuse(workflows.CodeLate, "Its end has passed.", "Renew it first.")
		case utf8.RuneCountInString(strings.TrimSpace(d.Reason)) < MinPurpose:
			return workflows.Refusef(workflows.CodeReasonNeeded, "", "Say why, in at least %d characters.", MinPurpose)
		}
		out.Add(workflows.IdentityStream(id), d.By, "", Resumed{Reason: strings.TrimSpace(d.Reason), Authn: d.Authn, Channel: d.Channel})
		return nil
	})
}

// OpenRotation demands that the secret is replaced; what is under way already stays.
func OpenRotation(f workflows.Facts, d Do, id workflows.IdentityID, rotation, why string) (workflows.Outcome, error) {
	within := RotateWithin
	if why == RotateLeak || why == RotateBreakGlass {
		within = LeakWithin
	}
	return d.on(f, id, d.Owns, func(s IdentityState, out *workflows.Outcome) *workflows.Refusal {
		if open := s.Rotating(); open != nil {
			if d.System {
				return nil
			}
			return workflows.Refuse(workflows.CodeAsked, "Its secret is being replaced already.", "countersign identities show says by when.")
		}
		out.Add(workflows.IdentityStream(id), d.By, "", RotationOpened{Rotation: rotation, Why: why, Due: f.Now.UTC.Add(within), Channel: d.Channel})
		return nil
	})
}

// CloseRotation says that the secret was replaced.
func CloseRotation(f workflows.Facts, d Do, id workflows.IdentityID, c RotationClosed) (workflows.Outcome, error) {
	return d.on(f, id, d.Owns, func(s IdentityState, out *workflows.Outcome) *workflows.Refusal {
		open := s.Rotating()
		switch {
		case open == nil:
			return workflows.Refuse(workflows.CodeNotActive, "No rotation of this identity is open.", "Open one first: countersign identities rotate.")
		case c.Proof == ProofDeclared && utf8.RuneCountInString(strings.TrimSpace(c.Evidence)) < MinPurpose:
			return workflows.Refuse(workflows.CodeReasonNeeded, "Say how you know that the old secret is dead.", "A link, a ticket, or what you saw when you tried it.")
		}
		c.Rotation = open.Rotation
		out.Add(workflows.IdentityStream(id), d.By, "", c)
		return nil
	})
}

// Retire opens the list of what ends an identity. Everything it holds ends at once.
func Retire(f workflows.Facts, d Do, id workflows.IdentityID) (workflows.Outcome, error) {
	return d.on(f, id, d.Owns, func(s IdentityState, out *workflows.Outcome) *workflows.Refusal {
		if s.Life.Retirement != nil {
			return workflows.Refuse(workflows.CodeDecided, "This identity is being taken off already.", "countersign identities show says what is left.")
		}
		stream := workflows.IdentityStream(id)
		if h := s.Life.Handover; h != nil {
			out.Add(stream, d.By, "", HandoverLapsed{Handover: h.Handover, Why: "replaced"})
		}
		out.Add(stream, d.By, "", RetirementOpened{Items: RetireItems(s), Reason: strings.TrimSpace(d.Reason), Authn: d.Authn, Channel: d.Channel})
		return nil
	})
}

// RetireDone closes one item; the last one ends the identity.
func RetireDone(f workflows.Facts, d Do, id workflows.IdentityID, item RetireItemDone) (workflows.Outcome, error) {
	return d.on(f, id, d.Owns, func(s IdentityState, out *workflows.Outcome) *workflows.Refusal {
		t := s.Life.Retirement
		if t == nil {
			return workflows.Refuse(workflows.CodeNotActive, "This identity is not being taken off.", "Begin with countersign identities retire.")
		}
		left := t.Left()
		i := slices.IndexFunc(left, func(x RetireItem) bool { return x.ID == item.Item })
		switch {
		case i < 0:
			return workflows.Refuse(workflows.CodeBadField, "There is no such item left to do.", "countersign identities show lists them.")
		case item.Item == "grants" && !d.System:
			return workflows.Refuse(workflows.CodeBadField, "That item is done by the bot itself, when every revocation is confirmed.", "")
		case item.Proof == ProofDeclared && utf8.RuneCountInString(strings.TrimSpace(item.Evidence)) < MinPurpose:
			return workflows.Refuse(workflows.CodeReasonNeeded, "An item is closed with evidence: a link, a ticket, or what you saw when you tried it.", "")
		}
		stream := workflows.IdentityStream(id)
		out.Add(stream, d.By, "", item)
		if len(left) == 1 {
			out.Add(stream, workflows.System, "", Retired{Items: len(t.Items)})
		}
		return nil
	})
}

// Renew moves the end. The chain that decides about it is the caller's.
func Renew(f workflows.Facts, d Do, id workflows.IdentityID, r Renewed) (workflows.Outcome, error) {
	return d.on(f, id, false, func(s IdentityState, out *workflows.Outcome) *workflows.Refusal {
		switch {
		case r.Expires <= f.Now.UTC:
			return workflows.Refuse(workflows.CodeBadField, "The new end has passed already.", "")
		}
		if no := d.tooFar(f.Now.UTC, r.Expires, s.Entry().Risk); no != nil {
			return no
		}
		stream := workflows.IdentityStream(id)
		out.Add(stream, d.By, "", r)
		if s.Life.Suspended != nil && s.Life.Suspended.Why == SuspendedExpired {
			out.Add(stream, d.By, "", Resumed{Authn: d.Authn, Channel: d.Channel})
		}
		return nil
	})
}

// MaxLife is the longest an identity stands without being looked at again.
const MaxLife = 366 * 24 * time.Hour

// Tick does what the deadlines of an identity demand.
func Tick(f workflows.Facts, stream workflows.StreamID, rotation string) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := FoldIdentity(f.Histories[stream])
	if err != nil || !s.Life.Lively || s.Life.Retired || s.Life.Retirement != nil {
		return out, err
	}
	now, e := f.Now.UTC, s.Entry()
	if h := s.Life.Handover; h != nil && now.After(h.Until()) && !s.stuck() {
		widen(f, s, h, &out)
		return out, nil // what else is due is looked at again: the wake of this stream is now
	}
	if s.endExceptions(stream, now, &out) {
		return out, nil
	}
	switch {
	case s.Life.Suspended == nil && now.After(e.Expires):
		out.Add(stream, workflows.System, "", Suspended{Why: SuspendedExpired})
	case s.Life.Suspended == nil && now.After(e.ContractEnd):
		out.Add(stream, workflows.System, "", Suspended{Why: SuspendedContract})
	case e.Owner != "" && e.Expires != 0 && s.Life.AskedFor != e.Expires && now >= e.Expires.Add(-RenewAhead) && now < e.Expires:
		out.Add(stream, workflows.System, "", RenewalAsked{Expires: e.Expires})
	case s.rotateAt(e) != 0 && now >= s.rotateAt(e):
		out.Add(stream, workflows.System, "", RotationOpened{Rotation: rotation, Why: RotatePolicy, Due: now.Add(RotateWithin)})
	}
	return out, nil
}

// stuck tells that everybody was asked to take the identity over and it was suspended: only an answer moves it.
func (s *IdentityState) stuck() bool {
	h := s.Life.Handover
	return h != nil && h.Rung+1 >= len(h.Rungs) && h.Silence == SilenceSuspends && s.Life.Suspended != nil
}

// rotateAt is when a rotation is opened so that it is done in time; zero when none is due by itself.
func (s *IdentityState) rotateAt(e Entry) workflows.Stamp {
	if e.RotateEvery <= 0 || s.Rotating() != nil {
		return 0
	}
	from := max(e.Rotated, e.Created)
	if from == 0 {
		from = s.First.UTC
	}
	return max(from.Add(e.RotateEvery.Duration()-RotateWithin), from+1)
}

// NextWake is the next moment at which Tick may do something; zero: none.
func NextWake(s IdentityState) workflows.Stamp {
	if !s.Life.Lively || s.Life.Retired || s.Life.Retirement != nil {
		return 0
	}
	e := s.Entry()
	next := workflows.Stamp(0)
	add := func(is bool, at workflows.Stamp) {
		if is && at != 0 && (next == 0 || at < next) {
			next = at
		}
	}
	if h := s.Life.Handover; h != nil {
		add(!s.stuck(), h.Until())
	}
	for _, x := range s.OpenExceptions() {
		add(true, x.EndsAt)
	}
	add(s.Life.Suspended == nil, e.Expires)
	add(s.Life.Suspended == nil, e.ContractEnd)
	add(e.Owner != "" && e.Expires != 0 && s.Life.AskedFor != e.Expires && s.Life.Suspended == nil, e.Expires.Add(-RenewAhead))
	add(true, s.rotateAt(e))
	return next
}

// TakeOn gives an identity what it needs to be active: an owner, a purpose and an end.
func TakeOn(f workflows.Facts, d Do, id workflows.IdentityID, c Claimed) (workflows.Outcome, error) {
	return d.on(f, id, d.Owns, func(s IdentityState, out *workflows.Outcome) *workflows.Refusal {
		if i := slices.IndexFunc(s.Claims, func(o Claim) bool { return o.Source == SourceDecision && !o.Gone }); i >= 0 {
			c.Says = s.Claims[i].Says.with(c.Says)
			c.HasPlace, c.HasPath = c.HasPlace || s.Claims[i].HasPlace, c.HasPath || s.Claims[i].HasPath
			c.Place, c.Path = cmp.Or(c.Place, s.Claims[i].Place), cmp.Or(c.Path, s.Claims[i].Path)
		}
		after := s
		after.claim(SourceDecision, c.Says, c, workflows.Record{At: f.Now, Seq: s.Seq + 1})
		e := after.Entry()
		switch {
		case e.Owner == "":
			return workflows.Refuse(workflows.CodeBadField, "An identity needs an owner.", "")
		case samePerson(e.Owner, e.Backup):
			return refuseSame()
		case utf8.RuneCountInString(e.Purpose) < MinPurpose:
			return workflows.Refusef(workflows.CodeBadField, "", "Say what it is for, in at least %d characters.", MinPurpose)
		case e.Expires <= f.Now.UTC:
			return workflows.Refuse(workflows.CodeBadField, "An identity needs an end that lies ahead.", "Give a day: -expires 2027-06-30.")
		}
		if no := d.tooFar(f.Now.UTC, e.Expires, e.Risk); no != nil {
			return no
		}
		out.Add(workflows.IdentityStream(id), d.By, "", c)
		if s.Life.Suspended != nil && s.Life.Suspended.Why == SuspendedNoOwner {
			out.Add(workflows.IdentityStream(id), d.By, "", Resumed{Authn: d.Authn, Channel: d.Channel})
		}
		return nil
	})
}

// Empty records that what an identity held is being taken back, for one demand. A retirement's first item is done with it.
func Empty(f workflows.Facts, stream workflows.StreamID, seq int64, n int) (workflows.Outcome, error) {
	var out workflows.Outcome
	s, err := FoldIdentity(f.Histories[stream])
	if err != nil || s.emptyFor() != seq {
		return out, err
	}
	out.Add(stream, workflows.System, "", Emptied{Grants: n, For: seq})
	if t := s.Life.Retirement; t != nil && !s.Life.Retired {
		left := t.Left()
		if slices.ContainsFunc(left, func(i RetireItem) bool { return i.ID == "grants" }) {
			out.Add(stream, workflows.System, "", RetireItemDone{Item: "grants", Proof: ProofVerified})
			if len(left) == 1 {
				out.Add(stream, workflows.System, "", Retired{Items: len(t.Items)})
			}
		}
	}
	return out, nil
}

// Verdicts of an attestation.
const (
	AttestKeep   = "keep"
	AttestRevoke = "revoke"
)

// Attest says whether an identity is still needed as it is. Its owner does not attest it alone: whoever backs it up does, or security.
func Attest(f workflows.Facts, d Do, id workflows.IdentityID, verdict string) (workflows.Outcome, error) {
	return d.on(f, id, d.Owns, func(s IdentityState, out *workflows.Outcome) *workflows.Refusal {
		stream := workflows.IdentityStream(id)
		switch {
		case s.Entry().Owner == string(d.By.Person):
			return workflows.Refuse(workflows.CodeReviewer, "You own this identity, so somebody else has to attest it.", "Its backup owner and security can.")
		case verdict != AttestKeep && verdict != AttestRevoke:
			return workflows.Refuse(workflows.CodeBadField, "Say keep or revoke.", "")
		case verdict == AttestRevoke && utf8.RuneCountInString(strings.TrimSpace(d.Reason)) < MinPurpose:
			return workflows.Refusef(workflows.CodeReasonNeeded, "", "Say why, in at least %d characters.", MinPurpose)
		}
		out.Add(stream, d.By, "", Attested{Item: string(id), Verdict: verdict, By: d.By.Person})
		if verdict == AttestRevoke && s.Life.Suspended == nil {
			out.Add(stream, d.By, "", Suspended{Why: SuspendedReview, Detail: strings.TrimSpace(d.Reason), Authn: d.Authn, Channel: d.Channel})
		}
		return nil
	})
}
