package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// formMeta travels through the client in a form's private metadata. It is a claim: the desk refuses a version that is not the current one,
// and everything else is checked as if it had been typed.
type formMeta struct {
	Workflow workflows.WorkflowID `json:"w"`
	Policy   workflows.DocHash    `json:"p"`
	Extends  workflows.GrantID    `json:"e,omitempty"` // more time with this access is asked for
	About    string               `json:"a,omitempty"` // "channel/ts" of the message that it is asked about
	Step     string               `json:"s,omitempty"` // run of a workflow's step that waits for the decision
	Runbook  workflows.RunbookID  `json:"b,omitempty"` // the routine that is asked for
	Subject  workflows.IdentityID `json:"i,omitempty"` // whom or what it is about
}

// openForm is the first step: which chain. With one chain there is nothing to pick.
func (b *Bot) openForm(ctx context.Context, c *call) (answer, error) {
	offers, err := b.c.Desk.Catalogue(ctx, c.by.Person)
	if err != nil {
		return answer{}, err
	}
	if len(offers) == 1 {
		v, err := b.form(ctx, c, offers[0])
		if err != nil {
			return answer{}, err
		}
		return b.open(ctx, c, v)
	}
	v := screens.Pick(b.inUser(ctx, c.UserID), chains(offers))
	v.PrivateMetadata = c.about
	return b.open(ctx, c, v)
}

func chains(offers []desk.Offer) []screens.Choice {
	out := make([]screens.Choice, 0, len(offers))
	for _, o := range offers {
		w := o.Version.Workflow
		out = append(out, screens.Choice{Value: string(w.ID), Text: w.Title, More: w.Purpose})
	}
	return out
}

// offer finds a chain among those that a person may use.
func (b *Bot) offer(ctx context.Context, p workflows.PersonID, id workflows.WorkflowID) (desk.Offer, bool, error) {
	offers, err := b.c.Desk.Catalogue(ctx, p)
	for _, o := range offers {
		if o.Version.Workflow.ID == id {
			return o, true, err
		}
	}
	return desk.Offer{}, false, err
}

// openChain opens the form of one chain.
func (b *Bot) openChain(ctx context.Context, c *call, id workflows.WorkflowID) (answer, error) {
	o, ok, err := b.offer(ctx, c.by.Person, id)
	if err != nil {
		return answer{}, err
	}
	if !ok {
		return refused(workflows.Refuse(workflows.CodeNotEligible, "There is no such chain, or you may not ask for it.", "Type `/access list` to see what you can ask for.")), nil
	}
	v, err := b.form(ctx, c, o)
	if err != nil {
		return answer{}, err
	}
	return b.open(ctx, c, v)
}

// picked replaces the first step by the second. It goes by views.update and not in the acknowledgement, which Slack drops above 20 KB: a
// form with some hundred entitlements is larger.
func (b *Bot) picked(ctx context.Context, c *call) (answer, error) {
	if c.View == nil {
		return answer{}, nil
	}
	c.about = c.View.PrivateMetadata
	o, ok, err := b.offer(ctx, c.by.Person, workflows.WorkflowID(c.value()))
	if err != nil {
		return answer{}, err
	}
	l := b.inUser(ctx, c.UserID)
	v := l.Result(l.Of("Ask for access"), screens.Say(l.Of("That chain is gone, or you may no longer ask for it.")))
	if ok {
		if v, err = b.form(ctx, c, o); err != nil {
			return answer{}, err
		}
	}
	_, err = b.c.Slack.UpdateView(ctx, slack.ViewRef{ID: c.View.ID, Hash: c.View.Hash}, v)
	var conflict *slack.Conflict
	if errors.As(err, &conflict) {
		return answer{}, nil // they picked twice: the later one wins
	}
	return answer{}, err
}

// form draws the second step.
func (b *Bot) form(ctx context.Context, c *call, o desk.Offer) (viewRequest, error) {
	w, by := o.Version.Workflow, c.by
	meta, err := json.Marshal(formMeta{Workflow: w.ID, Policy: o.Version.Hash, About: c.about, Step: c.step})
	if err != nil {
		return viewRequest{}, err
	}
	l := b.inUser(ctx, c.UserID)
	f := screens.Form{
		In: l, Title: w.Title, Purpose: w.Purpose, Longest: w.Longest, Usual: w.Usual, ReasonMin: w.ReasonMin, Fields: w.Fields, Meta: string(meta),
		Later: w.Later, Targets: b.targetChoices(w), Identities: b.identityChoices(w), About: c.about != "", Reason: c.reason,
	}
	for i, st := range w.Stages {
		f.Approvers = append(f.Approvers, fmt.Sprintf("%d. %s: %s", i+1, st.Name, needs(st, l)))
	}
	f.Confirm, f.ConfirmAll = typedTargets(w, w.Entitlements)
	f.Entitlements = entitlementChoices(w)
	if w.Kind == workflows.KindPreapprove {
		f.Entitlements, f.Runbooks = nil, b.runbookChoices()
	}
	f.Behalf = !slices.Contains(o.Subjects, by.Person.Identity())
	for _, s := range o.Subjects {
		name := b.holder(s)
		if s.IsPerson() {
			name = b.c.Identity.Name(ctx, s.Person())
		}
		if s.Person() == by.Person {
			name = l.Say("Myself (%s)", name)
		}
		f.Subjects = append(f.Subjects, screens.Choice{Value: string(s), Text: name})
	}
	f.Preview = b.preview(ctx, l, desk.Submission{By: by, Workflow: w.ID, Form: usualForm(w), Channel: viaSlack, Authn: slackClick})
	return f.Render(), nil
}

// typedTargets are the targets whose name an ask may have to be typed for, and whether that is so for all that can be asked for.
func typedTargets(w *workflows.Workflow, list []workflows.Entitlement) (names []string, all bool) {
	all = true
	for _, e := range list {
		switch {
		case !w.MayWantTyped(e):
			all = false
		case !slices.Contains(names, e.TargetTitle):
			names = append(names, e.TargetTitle)
		}
	}
	return names, all
}

// usualForm is what a person most likely asks for: the first thing, for as long as usual.
func usualForm(w *workflows.Workflow) workflows.Form {
	f := workflows.Form{Seconds: w.Usual}
	if len(w.Entitlements) > 0 {
		f.Target, f.Entitlement = w.Entitlements[0].Target, w.Entitlements[0].ID
	}
	return f
}

// preview says who would be asked if this were sent now. It explains and decides nothing: without an answer the form opens without it.
func (b *Bot) preview(ctx context.Context, l screens.Locale, sub desk.Submission) []string {
	p, err := b.c.Desk.Preview(ctx, sub)
	if err != nil {
		b.log.WarnContext(ctx, "who would be asked is not known", "workflow", sub.Workflow, "err", err)
		return nil
	}
	var out []string
	for i, st := range p.Plan {
		var names []string
		for _, seat := range st.Seats[:min(len(st.Seats), previewNames)] {
			names = append(names, b.person(ctx, seat.Person).Mention())
		}
		if rest := len(st.Seats) - len(names); rest > 0 {
			names = append(names, l.Say("%d more", rest))
		}
		line := l.Say("%d. %s: %d of %s", i+1, screens.Escape(st.Name), st.Quorum, strings.Join(names, ", "))
		if st.Forecast.Awake > 0 || len(st.Forecast.Order) > 0 {
			line += l.Say(" (%d at work now)", st.Forecast.Awake)
		}
		out = append(out, line)
	}
	if !p.Decision.IsZero() {
		out = append(out, l.Say("A decision can be expected by %s.", l.When(p.Decision)))
	}
	return out
}

func (b *Bot) targetChoices(w *workflows.Workflow) []screens.Choice {
	if !hasType(w.Fields, workflows.FieldTarget) {
		return nil
	}
	seen := map[workflows.TargetID]string{}
	for _, v := range b.c.Desk.Policy().Workflows {
		for _, e := range v.Workflow.Entitlements {
			seen[e.Target] = e.TargetTitle
		}
	}
	var out []screens.Choice
	for _, id := range sortedKeys(seen) {
		out = append(out, screens.Choice{Value: string(id), Text: seen[id]})
	}
	return out
}

func (b *Bot) identityChoices(w *workflows.Workflow) []screens.Choice {
	if !hasType(w.Fields, workflows.FieldIdentity) {
		return nil
	}
	p := b.c.Desk.Policy()
	var out []screens.Choice
	for _, id := range sortedKeys(p.Identities) {
		out = append(out, screens.Choice{Value: string(id), Text: p.Identities[id].Name})
	}
	return out
}

func hasType(fields []workflows.Field, typ string) bool {
	return slices.ContainsFunc(fields, func(f workflows.Field) bool { return f.Type == typ })
}

func needs(st workflows.Stage, l screens.Locale) string {
	if st.Quorum == 1 {
		return l.Of("one person has to approve")
	}
	return l.Say("%d people have to approve", st.Quorum)
}

func (b *Bot) runbookChoices() []screens.Choice {
	p := b.c.Desk.Policy()
	var out []screens.Choice
	for _, id := range sortedKeys(p.Runbooks) {
		if p.Runbooks[id].Runbook.Routine {
			continue // nobody approves it beforehand
		}
		out = append(out, screens.Choice{Value: string(id), Text: p.Runbooks[id].Runbook.Title, More: string(id)})
	}
	return out
}

// submit is the filled form. What is wrong with it is said beside the inputs; the rest of what was typed stays.
func (b *Bot) submit(ctx context.Context, c *call) (answer, error) {
	var meta formMeta
	if c.View == nil || json.Unmarshal([]byte(c.View.PrivateMetadata), &meta) != nil {
		_, no, err := b.tampered(ctx, c, "submit", "")
		return inModal(refusal(no)), err
	}
	sub := desk.Submission{
		Cause: c.cause(), By: c.by, Workflow: meta.Workflow, FormPolicy: meta.Policy, Channel: viaSlack, Authn: slackClick, Extends: meta.Extends,
		About: b.linkOf(ctx, meta.About),
	}
	w, ok := b.c.Desk.Policy().FormOf(meta.Workflow, meta.Runbook)
	if !ok {
		w = &workflows.Workflow{}
	}
	problems := b.fill(ctx, c.View, w, &sub)
	if w.Kind == workflows.KindRoutine {
		sub.Runbook, sub.Subject = meta.Runbook, meta.Subject
	}
	form, unfit := b.c.Desk.Picked(ctx, w, sub.Form)
	sub.Form = form
	_, no := b.c.Desk.CheckForm(meta.Workflow, meta.Policy, sub.Form)
	_, bad := w.CheckForm(sub.Form)
	bad = append(bad, b.c.Desk.Untyped(sub)...)
	if problems = append(problems, unfit...); no == nil && len(problems)+len(bad) > 0 {
		return formProblems(w, append(problems, bad...), "`/access`"), nil
	}
	res, err := b.c.Desk.Submit(ctx, sub)
	switch {
	case err != nil:
		return answer{}, err
	case len(res.Problems) > 0:
		return formProblems(w, res.Problems, "`/access`"), nil
	case res.Refusal != nil:
		return inModal(refused(res.Refusal)), nil
	}
	if err := b.follows(ctx, cutRunes(meta.Step, maxPlace), res.ID, c.by.Person); err != nil {
		b.log.ErrorContext(ctx, "a workflow will not be told what becomes of a request", "request", res.ID, "err", err)
	}
	return b.sent(ctx, c, res.ID)
}

// formStart is the input that says when access should start.
const formStart = "start"

// fill reads the inputs. An input that the form does not have is not looked at (T14).
func (b *Bot) fill(ctx context.Context, v *slack.View, w *workflows.Workflow, sub *desk.Submission) []workflows.FieldProblem {
	var bad []workflows.FieldProblem
	get := func(block string) string {
		in, _ := v.Input(block, screens.InputValue)
		return strings.TrimSpace(in.Value)
	}
	if w.Kind == workflows.KindPreapprove {
		sub.Runbook = workflows.RunbookID(get(screens.BlockRunbook))
	} else if i, err := strconv.Atoi(get(screens.BlockEntitlement)); err == nil && i >= 0 && i < len(w.Entitlements) {
		sub.Form.Target, sub.Form.Entitlement = w.Entitlements[i].Target, w.Entitlements[i].ID
	}
	sub.Subject = workflows.IdentityID(get(screens.BlockSubject))
	span, ok := parseSpan(get(screens.BlockDuration))
	if !ok {
		bad = append(bad, workflows.FieldProblem{Field: workflows.FormDuration, Text: "Write a number and m, h or d, such as 30m, 2h or 1d."})
		span = w.Usual // so that CheckForm says nothing about it a second time
	}
	sub.Form.Seconds, sub.Form.Reason, sub.Form.Typed = span, get(screens.BlockReason), get(screens.BlockConfirm)
	if sub.NotBefore, ok = moment(get(screens.BlockStart)); !ok {
		bad = append(bad, workflows.FieldProblem{Field: formStart, Text: "Pick a date and a time."})
	}
	sub.Form.Values = fieldValues(v, w.Fields)
	bad = append(bad, b.people(ctx, w.Fields, sub.Form.Values)...)
	if sub.Extends != "" {
		b.fillExtension(ctx, sub)
	}
	return bad
}

// people puts a person in the place of the member of the chat that was picked. Somebody whom the people file does not have is a problem of that field.
func (b *Bot) people(ctx context.Context, fields []workflows.Field, values map[string]string) []workflows.FieldProblem {
	var bad []workflows.FieldProblem
	for _, f := range fields {
		if f.Type != workflows.FieldPerson || values[f.Name] == "" {
			continue
		}
		p, err := b.c.Identity.PersonOf(ctx, values[f.Name])
		if err != nil || p == "" {
			bad = append(bad, workflows.FieldProblem{Field: f.Name, Text: "This person is not in the people file."})
			delete(values, f.Name)
			continue
		}
		values[f.Name] = string(p)
	}
	return bad
}

// fieldValues reads a form's own fields; a choice travels as its number.
func fieldValues(v *slack.View, fields []workflows.Field) map[string]string {
	out := map[string]string{}
	for _, f := range fields {
		in, _ := v.Input(screens.FieldBlock+f.Name, screens.InputValue)
		value := in.Value
		if f.Type == workflows.FieldChoice && value != "" {
			i, err := strconv.Atoi(value)
			if err != nil || i < 0 || i >= len(f.Choices) {
				value = "not on the list"
			} else {
				value = f.Choices[i]
			}
		}
		if at, ok := moment(value); f.Type == workflows.FieldDateTime && ok && value != "" {
			value = at.Time().Format(time.RFC3339)
		}
		if value != "" {
			out[f.Name] = value
		}
	}
	return out
}

// formProblems sends a form back. Where that comes too late, the form is closed, and the person hears the same in a message.
func formProblems(w *workflows.Workflow, problems []workflows.FieldProblem, again string) answer {
	late := spoken(func(l screens.Locale) screens.Message {
		lines := make([]string, 0, len(problems))
		for _, p := range problems {
			lines = append(lines, "• "+screens.Escape(p.Field+": "+l.Filled(p.Text)))
		}
		return screens.Say(l.Say("⛔ *Not sent.* Your form had problems:\n%s\nOpen it again with %s.", strings.Join(lines, "\n"), again))
	})
	late.errors = beside(w, problems)
	return late
}

// beside puts each problem under the input it belongs to; Slack refuses an answer that names an input which the form does not have.
func beside(w *workflows.Workflow, problems []workflows.FieldProblem) map[string]string {
	out := map[string]string{}
	for _, p := range problems {
		block := screens.BlockReason
		switch p.Field {
		case workflows.FormEntitlement:
			if !w.Kind.OfRunbook() {
				block = screens.BlockEntitlement
			}
		case workflows.FormDuration:
			block = screens.BlockDuration
		case formStart:
			if w.Later > 0 {
				block = screens.BlockStart
			}
		case workflows.FormReason, workflows.FormSubject:
		case workflows.FormConfirm:
			block = screens.BlockConfirm
		default:
			if hasField(w.Fields, p.Field) {
				block = screens.FieldBlock + p.Field
			}
		}
		if out[block] == "" {
			out[block] = p.Text
		}
	}
	return out
}

func hasField(fields []workflows.Field, name string) bool {
	for _, f := range fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

var spanGrammar = regexp.MustCompile(`^([1-9][0-9]{0,3})([mhd])$`)

// parseSpan reads the grammar of the files: minutes, hours or days.
func parseSpan(s string) (workflows.Span, bool) {
	m := spanGrammar.FindStringSubmatch(strings.ToLower(strings.ReplaceAll(s, " ", "")))
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0, false
	}
	unit := map[string]workflows.Span{"m": 60, "h": 3600, "d": 24 * 3600}[m[2]]
	return workflows.Span(n) * unit, true
}

// sent says that a request is on its way, and who was asked.
func (b *Bot) sent(ctx context.Context, c *call, id workflows.RequestID) (answer, error) {
	v, err := b.c.Desk.Look(ctx, id)
	if err != nil {
		return answer{}, err
	}
	s := screens.Sent{In: b.inUser(ctx, c.UserID), ID: id, What: what(v), Long: v.State.Asked.Seconds, Where: v.State.Asked.Card}
	if st := v.State.Open(); st != nil {
		s.By = st.TimesOutAt
		for _, p := range v.State.CanVote() {
			s.Asked = append(s.Asked, b.person(ctx, p))
		}
	}
	modal := s.Modal()
	return answer{view: &modal, message: s.Message()}, nil
}
