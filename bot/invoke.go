package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// invokeMeta is what the screen before the click carries: all of it is checked again.
type invokeMeta struct {
	Runbook  workflows.RunbookID `json:"r"`
	Incident string              `json:"i"`
	Executor workflows.PersonID  `json:"e,omitempty"`
}

// invoke opens the one screen before the click: what will be granted, until when, who is told, who reviews it by when. What was typed as
// key=value is filled in already. Who may not invoke gets the refusal at once, and recorded.
func (b *Bot) invoke(ctx context.Context, c *call, id workflows.RunbookID, rest []string) (answer, error) {
	in := desk.Invocation{
		By: c.by, Runbook: id, Incident: rest[0], Cause: c.cause(), Payload: digest(c.Interaction), Authn: slackClick, Channel: viaSlack,
	}
	in.Values, in.Executor, in.Reason = b.arguments(ctx, id, rest[1:])
	seen, ok, err := b.c.Desk.Foresee(ctx, in)
	if err != nil {
		return answer{}, err
	}
	if !ok || !b.worthAsking(seen) {
		return b.invokeWith(ctx, c, in)
	}
	meta, err := json.Marshal(invokeMeta{id, in.Incident, in.Executor})
	if err != nil || len(meta) > 2000 {
		return spoken(screens.Locale.Help), err
	}
	screen := b.confirm(ctx, seen, in)
	screen.In = b.inUser(ctx, c.UserID)
	return b.open(ctx, c, screen.Render(string(meta)))
}

// worthAsking tells whether the screen has a button that can do something: nothing stands against the use but what the screen asks for.
func (b *Bot) worthAsking(s desk.Foreseen) bool {
	if s.Refusal == nil || s.Refusal.Code == workflows.CodeBadField && len(s.In.Fields) > 0 && incidents.MatchesIncident(s.In.Book.IncidentPattern, s.In.Incident) {
		return true
	}
	failed := s.Assessment.Failed()
	goesAround := s.In.Situation.Listed && s.Assessment.Approved && !wantsMore(s.In.Book)
	return s.Refusal.Code == workflows.CodeRunbook && len(failed) > 0 && failed[0].Name != incidents.CondApproved && (goesAround || b.asksChain(s.In.Book)) ||
		s.Refusal.Code == workflows.CodeRunbook && goesAround || s.Refusal.Code == workflows.CodeStepUp && b.asksChain(s.In.Book)
}

// asksChain tells whether the runbook has a chain that can be asked instead.
func (b *Bot) asksChain(r incidents.Runbook) bool {
	_, ok := b.c.Desk.Policy().Workflows[r.Asks()]
	return ok
}

// arguments splits what was typed behind the incident: name=value for each field, executor=KEY, and the rest is what is happening.
func (b *Bot) arguments(ctx context.Context, id workflows.RunbookID, list []string) (values map[string]string, executor workflows.PersonID, reason string) {
	p := b.c.Desk.Policy()
	fields := p.Runbooks[id].Runbook.Fields
	values = map[string]string{}
	var rest []string
	for _, w := range list {
		name, value, ok := strings.Cut(w, "=")
		switch {
		case ok && slices.ContainsFunc(fields, func(f workflows.Field) bool { return f.Name == name }):
			values[name] = value
		case ok && name == "executor":
			executor = b.personCalled(p, value)
		default:
			rest = append(rest, w)
		}
	}
	return values, executor, strings.Join(rest, " ")
}

// personCalled is the person of a key, an e-mail address or a mention; somebody unknown is nobody, whom no runbook lists.
func (b *Bot) personCalled(p *desk.Policy, word string) workflows.PersonID {
	word = strings.Trim(word, "<@>")
	word, _, _ = strings.Cut(word, "|")
	for id, x := range p.People {
		if x.Key == word || strings.EqualFold(x.Email, word) || x.Slack == word && word != "" || strings.HasSuffix(x.Slack, "/"+word) {
			return id
		}
	}
	return workflows.PersonID("p_unknown")
}

// confirm is the screen before the click.
func (b *Bot) confirm(ctx context.Context, s desk.Foreseen, in desk.Invocation) screens.Confirm {
	r, a := s.In.Book, s.Assessment
	c := screens.Confirm{
		Title: r.Title, Incident: in.Incident, UseWhen: r.UseWhen, Not: r.DoNotUseWhen, Long: s.In.Lasts(), Ends: s.Now.Add(s.In.Lasts().Duration()),
		Holder: b.person(ctx, s.In.Holder()), ReviewBy: s.Now.Add(s.In.ReviewDue().Duration()), Reviewer: b.person(ctx, s.In.Owner), Joins: a.Review,
		Steps: len(s.Steps), Needed: a.Needed, Others: len(s.In.Situation.Others), Fields: r.Fields, Values: in.Values, Reason: in.Reason, Drill: in.Drill,
	}
	if r.Grant.Target != "" {
		c.What = title(r.Grant.TargetTitle, r.Grant.Title)
	}
	if inc := s.In.Situation.Incident; inc.Known {
		c.Severity = inc.Title
		if inc.Severity > 0 {
			c.Severity = strings.TrimSpace(fmt.Sprintf("SEV-%d %s", inc.Severity, inc.Title))
		}
	}
	for _, st := range s.Steps {
		if st.Action != incidents.ByHand {
			c.Auto++
		}
	}
	for _, f := range a.Failed() {
		c.Failed = append(c.Failed, f.Says)
	}
	for _, x := range r.Exposed {
		c.Rotates = append(c.Rotates, x.What)
	}
	c.Paged = b.paged(ctx, s)
	if b.asksChain(r) {
		c.Chain = string(r.Asks())
	}
	if r.BreakGlass != nil && s.In.Situation.Listed && a.Approved {
		c.Glass, c.GlassLong = !wantsMore(r), min(r.Longest, r.BreakGlass.Longest)
		if wantsMore(r) {
			c.Page, c.Host = b.emergency(), hostWay(r.ID, in.Incident)
		}
	}
	return c
}

// wantsMore tells whether a click is not enough to go around a condition of a runbook.
func wantsMore(r incidents.Runbook) bool { return r.BreakGlass != nil && r.BreakGlass.StepUp }

// hostWay is what is typed on the bot's host to go around a condition.
func hostWay(id workflows.RunbookID, incident string) string {
	return "countersign runbook invoke " + string(id) + " " + incident + " -tier " + incidents.TierBreakGlass
}

// hostAgrees is what a second person types on the bot's host.
func hostAgrees(proposal string) string { return "countersign runbook agree " + proposal }

// emergency is the page for emergencies; empty when there is none.
func (b *Bot) emergency() string {
	if b.c.Emergency == nil {
		return ""
	}
	return b.c.Emergency()
}

// refusedUse answers a use that was refused; one that takes more than a click names the ways that are enough.
func (b *Bot) refusedUse(r *workflows.Refusal, in desk.Invocation) answer {
	if r == nil || r.Code != workflows.CodeStepUp {
		return refusal(r)
	}
	return spoken(func(l screens.Locale) screens.Message {
		return screens.Say(l.NotDone(&workflows.Refusal{Code: r.Code, Sentence: r.Sentence}) + "\n" + screens.GlassWays(l, b.emergency(), hostWay(in.Runbook, in.Incident)))
	})
}

// paged is who hears of it at once, for the screen before the click.
func (b *Bot) paged(ctx context.Context, s desk.Foreseen) []string {
	var out []string
	if s.In.Book.Notify != "" {
		out = append(out, screens.Escape(s.In.Book.Notify))
	}
	var seen []workflows.PersonID
	for _, p := range slices.Concat(s.In.Skipped, s.In.Situation.Told, []workflows.PersonID{s.In.Owner}) {
		if p != "" && p != s.In.By.Person && !slices.Contains(seen, p) {
			seen = append(seen, p)
			out = append(out, b.person(ctx, p).Mention())
		}
	}
	return out
}

func (b *Bot) invokeFilled(ctx context.Context, c *call) (answer, error) {
	var meta invokeMeta
	if c.View == nil || json.Unmarshal([]byte(c.View.PrivateMetadata), &meta) != nil {
		_, no, err := b.tampered(ctx, c, "break glass", "")
		return inModal(refusal(no)), err
	}
	r := b.c.Desk.Policy().Runbooks[meta.Runbook].Runbook
	values := fieldValues(c.View, r.Fields)
	form := workflows.Workflow{Kind: workflows.KindPreapprove, Fields: r.Fields, Longest: 60, ReasonMin: 1}
	if _, bad := form.CheckForm(workflows.Form{Seconds: 60, Reason: "-", Values: values}); len(bad) > 0 {
		return formProblems(&form, bad, "`/breakglass`"), nil
	}
	reason, _ := c.View.Input(screens.BlockReason, screens.InputValue)
	tier, _ := c.View.Input(screens.BlockTier, screens.InputValue)
	in := desk.Invocation{
		Runbook: meta.Runbook, Incident: meta.Incident, Reason: strings.TrimSpace(reason.Value), Values: values, Executor: meta.Executor,
	}
	if tier.Value == screens.TierChain {
		a, err := b.askInstead(ctx, c, in)
		return inModal(a), err
	}
	if tier.Value == screens.TierGlass {
		in.Tier = incidents.TierBreakGlass
	}
	a, err := b.invokeWith(ctx, c, in)
	return inModal(a), err
}

// askInstead asks the chain of a runbook for what the runbook would have given, because a condition failed.
func (b *Bot) askInstead(ctx context.Context, c *call, in desk.Invocation) (answer, error) {
	in.By, in.Cause, in.Authn, in.Channel, in.Payload = c.by, c.cause(), slackClick, viaSlack, digest(c.Interaction)
	res, err := b.c.Desk.AskInstead(ctx, in)
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	return said("✅ *Asked.* The chain was asked for what the runbook would have given (`%s`). `/access status %s` says who decides.", res.ID, res.ID), nil
}

func (b *Bot) invokeWith(ctx context.Context, c *call, in desk.Invocation) (answer, error) {
	in.Cause, in.By, in.Payload, in.Authn, in.Channel = c.cause(), c.by, digest(c.Interaction), slackClick, viaSlack
	in.Reason = cutRunes(in.Reason, workflows.MaxReason)
	res, err := b.c.Desk.Invoke(ctx, in)
	if err != nil || res.Refusal != nil {
		return b.refusedUse(res.Refusal, in), err
	}
	if res.Proposal != "" {
		return spoken(func(l screens.Locale) screens.Message {
			var needed []string
			for _, why := range res.Needed {
				needed = append(needed, l.Filled(why))
			}
			return screens.Say(l.Say("👥 *Recorded, and not done yet:* a second listed person has to agree, and all of them were just asked, until %s (`%s`). %s",
				l.When(res.EndsAt), res.Proposal, screens.Escape(strings.Join(needed, " "))))
		}), nil
	}
	return said("✅ *Recorded: you broke the glass.* The access is being made now and ends at %s. You are told in a direct message how to use it. Everybody whose approval was skipped is told, and a review is open (`%s`).",
		screens.When(res.EndsAt), res.Review), nil
}

// agree lets somebody else's use happen.
func (b *Bot) agree(ctx context.Context, c *call, proposal string) (answer, error) {
	res, err := b.c.Desk.Agree(ctx, desk.Agreement{Cause: c.cause(), By: c.by, Proposal: proposal, Authn: slackClick, Channel: viaSlack})
	if r := res.Refusal; r != nil && r.Code == workflows.CodeStepUp {
		return spoken(func(l screens.Locale) screens.Message {
			return screens.Say(l.NotDone(&workflows.Refusal{Code: r.Code, Sentence: r.Sentence}) + "\n" + screens.AgreeWays(l, b.emergency(), hostAgrees(proposal)))
		}), err
	}
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	return said("✅ *Recorded: you agreed.* The access is being made now and ends at %s; review `%s`.", screens.When(res.EndsAt), res.Review), nil
}

// agreed is the button of the message that asks a second person.
func (b *Bot) agreed(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindAgree, "break glass")
	if no != nil || err != nil {
		return refusal(no), err
	}
	_, proposal, _ := strings.Cut(x.ID, "#")
	return b.agree(ctx, c, proposal)
}

// reviewTask says that something was done that a review waits for.
func (b *Bot) reviewTask(ctx context.Context, c *call, word, task, text string) (answer, error) {
	id := workflows.ReviewID(strings.Trim(strings.ToLower(word), "`"))
	res, err := b.c.Desk.DoTask(ctx, desk.ReviewTask{Cause: c.cause(), By: c.by, Review: id, Task: task, Note: text, Authn: slackClick, Channel: viaSlack})
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	return said("✅ Recorded: task %s of the review is done.", screens.Escape(task)), nil
}
