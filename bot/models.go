package bot

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// person names somebody for a screen. Without an account there is only the name.
func (b *Bot) person(ctx context.Context, p workflows.PersonID) screens.Person {
	if p == "" {
		return screens.Person{}
	}
	id, err := b.c.Identity.Slack(ctx, p)
	if err != nil {
		b.log.WarnContext(ctx, "an account is not known", "err", err)
	}
	return screens.Person{Name: b.c.Identity.Name(ctx, p), Slack: id}
}

func (b *Bot) outlook(ctx context.Context, l screens.Locale) workflows.Outlook {
	return workflows.Outlook{
		Name: func(p workflows.PersonID) string { return b.person(ctx, p).Mention() },
		When: l.When, Say: l.Say,
	}
}

// explain is why a request is where it is, as markup: what comes from documents is escaped before it is put into sentences.
func (b *Bot) explain(ctx context.Context, s workflows.State, l screens.Locale) workflows.Explanation {
	s = escaped(s)
	e := workflows.Explain(s, b.outlook(ctx, l))
	b.addHours(e, s, l)
	return e
}

// escaped is a state whose words may stand within markup.
func escaped(s workflows.State) workflows.State {
	s.Why = screens.Escape(s.Why)
	s.Stages = slices.Clone(s.Stages)
	for i := range s.Stages {
		s.Stages[i].Plan.Name = screens.Escape(s.Stages[i].Plan.Name)
	}
	return s
}

// card is a request for a reader; the empty reader is a channel.
func (b *Bot) card(ctx context.Context, v desk.View, reader workflows.PersonID) screens.Card {
	s, l := v.State, b.in(ctx, reader)
	c := screens.Card{
		In: l,
		ID: s.ID, What: what(v), Requester: b.person(ctx, s.Requester.Person), Holder: b.holder(s.Asked.Subject),
		Seconds: s.Asked.Seconds, Reason: s.Asked.Reason, Fields: fields(v), Facts: b.facts(ctx, v, l),
		Workflow: v.Workflow.Title, Policy: s.Policy, Document: s.Asked.Document, Status: s.Status,
		Why: b.explain(ctx, s, l), Drill: s.Asked.Drill,
	}
	c.Rule, c.Risk, c.Starts, c.Extends = s.Asked.Chosen, s.Asked.Risk, s.Asked.NotBefore, s.Asked.Extends
	c.About = s.Asked.About
	c.StepUp = s.Asked.StepUp && s.Open() != nil
	if c.StepUp && b.c.Decide != nil {
		c.Page = b.c.Decide(s.ID)
	}
	if st := s.Open(); st != nil {
		c.Deadline, c.Escalates, c.Wider = st.TimesOutAt, nextTier(st), st.Escalated
		c.YouAre = workflows.WhyYou(escaped(s), reader, b.outlook(ctx, l))
		c.Next = b.next(ctx, v, l)
		c.Around = b.around(ctx, v, st)
		c.Past = b.past(ctx, v, l)
	}
	for _, o := range s.Offers {
		if o.Status == workflows.OfferOpen && s.Open() != nil {
			c.Offers = append(c.Offers, b.counterOffer(ctx, v, o, reader))
		}
	}
	for _, n := range s.Comments[max(0, len(s.Comments)-maxNotes):] {
		c.Notes = append(c.Notes, screens.Remark{By: b.person(ctx, n.By), At: n.At.UTC, Text: n.Text})
	}
	if v.Hold != nil {
		a := b.accessOf(ctx, *v.Hold)
		c.Access = &a
	}
	c.Buttons = b.cardButtons(v, reader)
	return c
}

// nextTier is when more people are asked, zero when nobody else can be.
func nextTier(st *workflows.StageState) workflows.Stamp {
	if st.TierOpen < len(st.TiersAt) {
		return st.TiersAt[st.TierOpen]
	}
	return 0
}

// next says who of those asked is at work next, and whose turns and holidays are known from a feed that has not been read for a while. It is made of
// moments only, so that it stays right on a card that nobody repaints; how many work right now would not.
func (b *Bot) next(ctx context.Context, v desk.View, l screens.Locale) string {
	var lines []string
	for _, o := range b.c.Desk.OldFeeds(v, b.c.Now()) {
		lines = append(lines, screens.FeedAge{Rotation: o.Rotation, Calendar: o.Calendar, At: o.At, Age: calendar.In(b.c.Now().Sub(o.At)), In: l}.Sentence())
	}
	f, err := b.c.Desk.Forecast(ctx, v)
	if err != nil {
		b.log.WarnContext(ctx, "who is at work next is not known", "request", v.State.ID, "err", err)
	}
	if p, ok := f.Next(); ok && f.Awake == 0 && err == nil {
		x := screens.Presence{In: l, City: calendar.City(p.Zone), At: p.Next, Local: calendar.Local(p.Next, p.Zone)}
		lines = append(lines, x.Next(b.person(ctx, p.Person)))
	}
	return strings.Join(lines, "\n")
}

// what is the thing asked for, in words.
func what(v desk.View) string {
	switch v.State.Asked.Request {
	case workflows.KindRoutine:
		return "Runbook " + string(v.State.Asked.Runbook) + ", carried out once"
	case workflows.KindPreapprove:
		return "Approval of runbook " + string(v.State.Asked.Runbook)
	}
	name := title(v.Entitlement.TargetTitle, v.Entitlement.Title)
	if v.Entitlement.ID == "" {
		name = string(v.State.Asked.Target) + "/" + string(v.State.Asked.Entitlement)
	}
	if v.State.Asked.Request == workflows.KindWindow {
		return "Standing window for " + name
	}
	return name
}

func title(target, entitlement string) string { return target + " – " + entitlement }

// holder names a holder that is no person; empty for people.
func (b *Bot) holder(id workflows.IdentityID) string {
	if id.IsPerson() || id == "" {
		return ""
	}
	if i, ok := b.c.Desk.Policy().Identities[id]; ok && i.Name != "" {
		return i.Name + " (" + string(id) + ")"
	}
	return string(id)
}

// fields are the filled-in fields under the labels of the version that binds.
func fields(v desk.View) []screens.Pair {
	var out []screens.Pair
	for _, f := range v.Workflow.Fields {
		value := v.State.Asked.Fields[f.Name]
		if f.Type == workflows.FieldText {
			value = v.State.Asked.Texts[f.Name]
		}
		if f.Type == workflows.FieldCSR { // it says nothing but a key: people compare fingerprints, not pages of letters
			value = workflows.KeyPrint(value)
		}
		if value != "" {
			out = append(out, screens.Pair{Label: f.Label, Value: value})
		}
	}
	return out
}

// facts come from the policy, never from the requester.
func (b *Bot) facts(ctx context.Context, v desk.View, l screens.Locale) []screens.Pair {
	if v.State.Asked.Request == workflows.KindRoutine {
		return b.routineFacts(ctx, v, l)
	}
	e := v.Entitlement
	out := []screens.Pair{
		{Label: l.Of("Environment"), Value: screens.Escape(e.Environment)},
		{Label: l.Of("Data class"), Value: screens.Escape(e.DataClass)},
		{Label: l.Of("Owner"), Value: b.person(ctx, e.Owner).Mention()},
	}
	if e.Description != "" {
		out = append([]screens.Pair{{Label: l.Of("What it allows"), Value: screens.Escape(e.Description)}}, out...)
	}
	if rules := v.State.Asked.Watched; len(rules) > 0 {
		out = append(out, screens.Pair{
			Label: l.Of("Watching"), Value: l.Say("⚠️ found something lately (rule %s): one more person approves than usual", screens.Escape(strings.Join(rules, ", "))),
		})
	}
	if x := v.Workflow.Life; x != nil && x.Action != workflows.LifeRenew {
		out = append(out, screens.Pair{Label: l.Of("On the target"), Value: lifeFact(x, l)})
	}
	if x := v.Workflow.Window; x != nil {
		out = append([]screens.Pair{{Label: l.Of("Standing window"), Value: windowWords(*x, l)}}, out...)
	}
	if x := v.Workflow.Exception; x != nil {
		out = append(out, exceptionFacts(x, v.State.Asked, l)...)
	} else if n := v.State.Asked.Renewal; n > 0 {
		value := l.Say("extension %d of the same access", n)
		if since := v.State.Asked.Since; since != 0 {
			value = l.Say("extension %d of the same access, which began at %s (%s)", n, l.When(since), l.Ago(since))
		}
		out = append(out, screens.Pair{Label: l.Of("Renewal"), Value: value})
	}
	for _, list := range []struct {
		label string
		lines []string
		sign  string
	}{
		{l.Of("What will change"), v.State.Asked.Changes, ""}, {l.Of("To know"), v.State.Asked.PlanNotes, ""}, {l.Of("Standing access"), v.State.Asked.Standing, "⚠️ "},
	} {
		if len(list.lines) > 0 {
			out = append(out, screens.Pair{Label: list.label, Value: foreseen(l, list.sign, list.lines)})
		}
	}
	if v.State.Asked.Already {
		out = append(out, screens.Pair{Label: l.Of("Standing access"), Value: l.Of("⚠️ The holder has this already, by no grant of ours.")})
	}
	if v.State.Asked.Account != "" {
		out = append(out, screens.Pair{Label: l.Of("Account there"), Value: screens.Escape(v.State.Asked.Account)})
	}
	return out
}

// foreseen shows the first sentences of what a target said; the rest is in the record.
func foreseen(l screens.Locale, sign string, lines []string) string {
	const shown = 5
	var out []string
	for _, line := range lines[:min(len(lines), shown)] {
		out = append(out, sign+screens.Escape(cutRunes(line, 200)))
	}
	if n := len(lines) - shown; n > 0 {
		out = append(out, l.Say("and %d more, in the record", n))
	}
	return strings.Join(out, "\n")
}

func (b *Bot) accessOf(ctx context.Context, h grants.Hold) screens.Access {
	a := screens.Access{
		Status: string(h.Status), Ends: h.Ends.UTC, EndedAt: h.EndedAt.UTC, How: h.How, By: b.person(ctx, h.EndedBy),
		Presence: h.Presence, Kept: h.KeptBy != "", Leaves: h.Leaves, Failure: h.Failure, Overdue: h.Level > 0,
	}
	if h.EndedBy == "" {
		a.Why = h.Why
	}
	for _, x := range h.LiveSessions() {
		a.Sessions = append(a.Sessions, sessionWords(x))
	}
	a.Silent = b.c.Silent != nil && b.c.Silent(string(h.Approved.Target))
	if f, ok := h.Unverified(); ok {
		a.Unverified, a.Since = f.Why, f.Since.UTC
	}
	if a.Leaves == "" {
		a.Leaves = b.c.Leaves(string(h.Approved.Target))
	}
	return a
}

// cardButtons are the buttons that can do something for this reader. Leaving one out protects nothing: the desk checks every click.
func (b *Bot) cardButtons(v desk.View, reader workflows.PersonID) screens.CardButtons {
	s, seal := v.State, b.c.Buttons
	var out screens.CardButtons
	value := func(kind byte) string {
		return seal.Value(Button{Kind: kind, ID: string(s.ID), Stage: s.Current, Shown: s.Shown(s.Current)[:shownDigits]}, reader)
	}
	plain := func(kind byte, id string) string { return seal.Value(Button{Kind: kind, ID: id}, reader) }
	all := reader == ""
	if s.Open() != nil {
		if all || slices.Contains(s.CanVote(), reader) {
			out.Approve, out.Read, out.Deny = value(kindApprove), value(kindRead), value(kindDeny)
			out.Details = plain(kindRead, string(s.ID))
			if s.Asked.StepUp { // a click would be refused
				out.Approve, out.Read, out.Details = "", "", ""
			}
			if !s.Asked.Request.OfRunbook() {
				out.Offer = value(kindOffer)
			}
		}
		if all || reader == s.Requester.Person {
			out.Withdraw = plain(kindWithdraw, string(s.ID))
		}
	}
	started := v.Hold != nil && (v.Hold.StartedAt.UTC != 0 || !v.Hold.Live())
	if mayTakeBack := s.Status == workflows.StatusOpen || s.Status == workflows.StatusApproved && !started && v.Hold != nil; mayTakeBack {
		if voters := s.Voters(); all && len(voters) > 0 || slices.Contains(voters, reader) {
			out.TakeBack = plain(kindTakeBack, string(s.ID))
		}
	}
	if h := v.Hold; h != nil && (h.Status == grants.StatusApproved || h.Status == grants.StatusActive) {
		id := string(h.Approved.Grant)
		if all || s.Asker(reader) {
			out.Done = plain(kindDone, id)
		}
		if reader != "" && s.Asker(reader) {
			out.Extend = b.extendValue(context.Background(), *h, reader)
		}
		if all || h.MayEnd(reader, false) && !s.Asker(reader) {
			out.Revoke = plain(kindRevoke, id)
		}
	}
	return out
}

// use is what a target says about using the access: runbooks.Use as it was recorded. bot does not import runbooks.
type use struct {
	Steps   []string          `json:"steps"`
	Command string            `json:"command"`
	Host    string            `json:"host"`
	Files   map[string]string `json:"files"`
}

// ready is the message to a holder.
func (b *Bot) ready(ctx context.Context, h grants.Hold, reader workflows.PersonID) screens.Ready {
	a := h.Approved
	r := screens.Ready{
		In: b.in(ctx, reader), Grant: a.Grant, Request: a.Request, What: title(a.TargetTitle, a.Title), Long: length(h), For: b.holder(a.Identity),
		Access: b.accessOf(ctx, h), Drill: a.Drill,
	}
	r.Secret = b.secretNote(h, reader)
	var u use
	if h.Started.Use != "" {
		if err := json.Unmarshal([]byte(h.Started.Use), &u); err != nil {
			b.log.ErrorContext(ctx, "how to use a grant cannot be read", "grant", a.Grant, "err", err)
		}
	}
	r.Steps, r.Command, r.Host = u.Steps, u.Command, u.Host
	for _, name := range slices.Sorted(maps.Keys(u.Files)) {
		r.Files = append(r.Files, screens.Pair{Label: name, Value: u.Files[name]})
	}
	if h.Status == grants.StatusApproved || h.Status == grants.StatusActive {
		r.Done = b.c.Buttons.Value(Button{Kind: kindDone, ID: string(a.Grant)}, reader)
		r.Extend = b.extendValue(ctx, h, reader)
	}
	return r
}

// length is how long a hold was granted for.
func length(h grants.Hold) workflows.Span {
	return workflows.SpanOf(h.Ends.UTC.Sub(h.At.UTC))
}

// lifeFact says who brings about on the target what is approved for an identity.
func lifeFact(x *workflows.LifeTerms, l screens.Locale) string {
	switch {
	case x.Make && x.Action == workflows.LifeOnboard:
		return l.Of("Its account is made by the bot and read back; nobody knows a secret of it before its first rotation.")
	case x.Make:
		return l.Of("The bot changes its account to just this, takes away what it had before, and reads it back.")
	}
	return l.Of("No connector does it: whoever answers for the identity does it by hand, and says so with evidence.")
}

// windowWords is what the approval of a standing window lets an automation do without anybody.
func windowWords(x workflows.WindowTerms, l screens.Locale) string {
	return l.Say("⚠️ Until it ends nobody is asked: %s (%s), %d times each %s, for at most %s each, %d times in all.", screens.Escape(x.Hours), screens.Escape(x.Zone), x.Times, x.Per, x.Lifetime, x.Budget)
}

// exceptionFacts are what whoever approves an exception has to know: what is waived, what makes up for it, how often it was renewed and how old it is.
func exceptionFacts(x *workflows.ExceptionTerms, a workflows.Submitted, l screens.Locale) []screens.Pair {
	checks := make([]string, 0, len(x.Checks))
	for _, c := range x.Checks {
		checks = append(checks, "• "+screens.Escape(checkWords(c, l)))
	}
	age := l.Of("asked for the first time")
	if a.Renewal > 0 {
		age = l.Say("⚠️ renewal %d; it stands since %s", a.Renewal, a.Since.Time().Format("2006-01-02"))
	}
	return []screens.Pair{
		{Label: l.Of("Waives"), Value: screens.Escape(l.Filled(strings.ReplaceAll(x.Control, "_", " ")))},
		{Label: l.Of("In its place"), Value: strings.Join(checks, "\n")},
		{Label: l.Of("Renewals and age"), Value: age},
	}
}

// checkWords is CheckTerms.String in a reader's language.
func checkWords(c workflows.CheckTerms, l screens.Locale) string {
	switch c.Kind {
	case workflows.CheckRotated:
		return l.Say("its secret is replaced every %s", c.Within)
	case workflows.CheckFrom:
		return l.Say("it is used only from %s", strings.Join(c.From, ", "))
	case workflows.CheckAlert:
		return l.Of("each use of it is seen and told")
	case workflows.CheckVault:
		if c.Place == "" {
			return l.Of("its secret lies in a secret store")
		}
		return l.Say("its secret lies in %s", c.Place)
	}
	return c.String()
}
