package main

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// Counter-offers, more time, time off and comments through the people's socket.

// cliOffer makes a counter-offer to a request that waits for the caller.
func (s *serving) cliOffer(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	id, no, err := s.findRequest(ctx, by.Person, o.ID)
	if err != nil {
		return reply{}, err
	}
	if no != nil {
		return s.refuse(ctx, cause, by, "counter", no)
	}
	terms := workflows.Terms{Seconds: o.Long}
	if o.What != "" {
		target, entitlement, _ := strings.Cut(o.What, "/")
		terms.Target, terms.Entitlement = workflows.TargetID(target), workflows.EntitlementID(entitlement)
	}
	if terms.NotBefore, no = s.momentOf(by.Person, o.Start, false); no != nil {
		return s.refuse(ctx, cause, by, "counter", no)
	}
	res, err := s.desk.Counter(ctx, desk.CounterOffer{
		Cause: cause, By: by, Request: id, Stage: o.Stage, Shown: o.Shown, Terms: terms, Reason: strings.TrimSpace(o.Reason), Authn: unixPeer, Channel: viaCLI,
	})
	return s.answered(ctx, by, id, res, err)
}

// cliAnswerOffer accepts or declines: the only open offer, or the one named.
func (s *serving) cliAnswerOffer(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	id, no, err := s.findRequest(ctx, by.Person, o.ID)
	if err != nil {
		return reply{}, err
	}
	if no != nil {
		return s.refuse(ctx, cause, by, o.Do, no)
	}
	offer, no, err := s.openOffer(ctx, by.Person, id, o.Offer)
	if err != nil {
		return reply{}, err
	}
	if no != nil {
		return s.refuse(ctx, cause, by, o.Do, no)
	}
	answer := desk.OfferAnswer{Cause: cause, By: by, Request: id, Offer: offer, Authn: unixPeer, Channel: viaCLI}
	if o.Do == "decline" {
		res, err := s.desk.DeclineOffer(ctx, answer)
		return s.answered(ctx, by, id, res, err)
	}
	res, err := s.desk.AcceptOffer(ctx, answer)
	switch {
	case err != nil:
		return reply{}, err
	case res.Refusal != nil:
		return refusedReply(res.Refusal), nil
	}
	return s.seenReply(ctx, by, res.ID)
}

func (s *serving) openOffer(ctx context.Context, p workflows.PersonID, id workflows.RequestID, word string) (string, *workflows.Refusal, error) {
	v, err := s.desk.LookAs(ctx, p, id)
	if err != nil {
		return word, nil, nil // the desk gives the answer for what they may not see
	}
	var open []string
	for _, x := range v.State.Offers {
		if x.Status == workflows.OfferOpen && strings.HasSuffix(x.ID, word) {
			open = append(open, x.ID)
		}
	}
	switch len(open) {
	case 1:
		return open[0], nil, nil
	case 0:
		return "", workflows.Refuse(workflows.CodeNoOffer, "No counter-offer stands on this request.", "countersign status shows where it stands."), nil
	}
	return "", workflows.Refusef(workflows.CodeNoOffer, "Name one with -offer.", "%d counter-offers stand on this request: %s.", len(open), strings.Join(open, ", ")), nil
}

// cliAway records the caller's time off, cliBack ends it.
func (s *serving) cliAway(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	l := desk.Leave{Cause: cause, By: by, Reason: o.Reason, Channel: viaCLI, Authn: unixPeer}
	var no *workflows.Refusal
	if l.From, no = s.momentOf(by.Person, o.From, false); no != nil {
		return s.refuse(ctx, cause, by, o.Do, no)
	}
	if l.Until, no = s.momentOf(by.Person, o.Until, true); no != nil {
		return s.refuse(ctx, cause, by, o.Do, no)
	}
	if o.Delegate != "" {
		if l.Delegate = s.personNamed(o.Delegate); l.Delegate == "" {
			no := workflows.Refuse(workflows.CodeAway, "Nobody in the people file is called "+printable(o.Delegate)+".", "Give the key of a person, as in people.yaml.")
			return s.refuse(ctx, cause, by, o.Do, no)
		}
	}
	res, err := s.desk.GoAway(ctx, l)
	if err != nil {
		return reply{}, err
	}
	if res.Refusal != nil {
		return refusedReply(res.Refusal), nil
	}
	text := "You are away until " + calendar.Local(l.Until, s.zoneOf(by.Person)) + ". Nobody decides for you meanwhile."
	if l.Delegate != "" {
		text = "You are away until " + calendar.Local(l.Until, s.zoneOf(by.Person)) + ". " + s.desk.Name(ctx, l.Delegate) + " decides for you meanwhile what neither of you asked for."
	}
	return reply{OK: true, Text: text}, nil
}

func (s *serving) cliBack(ctx context.Context, by workflows.Acting, cause workflows.Cause) (reply, error) {
	res, err := s.desk.ComeBack(ctx, desk.Leave{Cause: cause, By: by, Channel: viaCLI, Authn: unixPeer})
	if err != nil {
		return reply{}, err
	}
	if res.Refusal != nil {
		return refusedReply(res.Refusal), nil
	}
	return reply{OK: true, Text: "You are back: you are asked again like everybody else."}, nil
}

func (s *serving) cliComment(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	id, no, err := s.findRequest(ctx, by.Person, o.ID)
	if err != nil {
		return reply{}, err
	}
	if no != nil {
		return s.refuse(ctx, cause, by, o.Do, no)
	}
	res, err := s.desk.Comment(ctx, desk.Remark{Cause: cause, By: by, Request: id, Text: o.Reason, Channel: viaCLI})
	return s.answered(ctx, by, id, res, err)
}

// cliExtend asks for more time with something the caller holds: the same chain, the same thing, the same holder.
func (s *serving) cliExtend(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	held, err := s.desk.Grants(ctx, by.Person, 0)
	if err != nil {
		return reply{}, err
	}
	var found []desk.Holding
	for _, h := range held {
		if a := h.Hold.Approved; o.ID == "" || len(o.ID) >= 4 && (strings.HasSuffix(string(a.Grant), o.ID) || strings.HasSuffix(string(a.Request), o.ID)) {
			found = append(found, h)
		}
	}
	if len(found) != 1 {
		no := workflows.Refusef(workflows.CodeNotActive, "countersign list shows what you hold; name one of it.", "%d of your access fits.", len(found))
		return s.refuse(ctx, cause, by, "extend", no)
	}
	a := found[0].Hold.Approved
	v, err := s.desk.Look(ctx, a.Request)
	if err != nil {
		return s.refuse(ctx, cause, by, "extend", workflows.Refuse(workflows.CodeNotEligible, "This access was not asked for by a request, so it cannot be extended.", ""))
	}
	o.Workflow, o.What, o.For, o.Extends = string(v.State.Asked.Workflow), string(a.Target)+"/"+string(a.Entitlement), string(a.Identity), string(a.Grant)
	return s.cliRequest(ctx, by, cause, o)
}

// cliCloseTicket ends what was to last no longer than a ticket. Ending is the safe direction, but not everybody's to do.
func (s *serving) cliCloseTicket(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	may := slices.ContainsFunc([]string{desk.RoleSecurity, desk.RoleOwner, desk.RoleOperator}, func(role string) bool { return s.desk.HasRole(ctx, role, by.Person) })
	if !may {
		return s.refuse(ctx, cause, by, o.Do, workflows.Refuse(workflows.CodeNotEligible, "Security, owners and operators of Countersign say that a ticket is closed.", "Give your own access back with countersign done."))
	}
	n, err := s.desk.CloseTask(ctx, cause, by, o.ID)
	if err != nil {
		return reply{}, err
	}
	switch n {
	case 0:
		return reply{OK: true, Text: "No access hangs on ticket " + printable(o.ID) + "."}, nil
	case 1:
		return reply{OK: true, Text: "One access that hung on ticket " + printable(o.ID) + " is being taken back."}, nil
	}
	return reply{OK: true, Text: strconv.Itoa(n) + " accesses that hung on ticket " + printable(o.ID) + " are being taken back."}, nil
}

// outlookOf names people, and tells times on the reader's own clock.
func (s *serving) outlookOf(ctx context.Context, reader workflows.PersonID) workflows.Outlook {
	zone := s.zoneOf(reader)
	return workflows.Outlook{
		Name: func(p workflows.PersonID) string { return s.desk.Name(ctx, p) },
		When: func(at workflows.Stamp) string { return at.Time().In(zone).Format("2006-01-02 15:04 MST") },
	}
}

func (s *serving) zoneOf(p workflows.PersonID) *time.Location {
	if zone, err := time.LoadLocation(s.desk.Policy().People[p].Zone); err == nil {
		return zone
	}
	return time.UTC
}

// momentOf reads RFC 3339, or "2026-12-01 14:00" and "2026-12-01" on the person's own clock; a day means its beginning, or its end where a
// time ends with it.
func (s *serving) momentOf(p workflows.PersonID, text string, end bool) (workflows.Stamp, *workflows.Refusal) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return workflows.StampOf(t), nil
	}
	zone := s.zoneOf(p)
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", time.DateOnly} {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		date := calendar.Date{Year: t.Year(), Month: t.Month(), Day: t.Day()}
		if layout == time.DateOnly && end {
			date = date.Add(1)
		}
		if end {
			return calendar.Last(date, calendar.Clock(t.Hour()*60+t.Minute()), zone), nil
		}
		return calendar.First(date, calendar.Clock(t.Hour()*60+t.Minute()), zone), nil
	}
	return 0, workflows.Refuse(workflows.CodeBadField, "The time cannot be read.", "Write 2026-12-01, 2026-12-01 14:00 (on your own clock) or 2026-12-01T14:00:00Z.")
}

// personNamed finds somebody by key or e-mail address.
func (s *serving) personNamed(word string) workflows.PersonID {
	for id, p := range s.desk.Policy().People {
		if p.Key == word || strings.EqualFold(p.Email, word) {
			return id
		}
	}
	return ""
}
