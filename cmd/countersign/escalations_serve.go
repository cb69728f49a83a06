package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/escalations"
)

// Escalations in the running bot: each page is a job of its own; one that cannot be delivered is given up after a few tries, so that the next
// step is taken at once.

// jobShifts looks whether a shift changed.
const jobShifts = "escalations.shifts"

const (
	shiftsCron  = "*/5 * * * *"
	shiftsSince = 2 * time.Hour // changes that are looked back for: a bot that was away for longer tells of the next one

	pageTries = 3 // in some five seconds; a page that needs more has not woken anybody

	viaMail  = "email"
	viaPager = "pager"
)

// page delivers one notice of an escalation, or records that it cannot be.
func (s *serving) page(ctx context.Context, j jobs.Job) error {
	means, to := escalations.MeansOf(j.Key)
	if means == "" { // somebody is told, and nothing waits for it
		return paced(j, s.bot.Notify(ctx, j.Stream, j.Key, desk.Cause(j.Cause()), j.Attempts))
	}
	var err error
	switch means {
	case escalations.ByMail, escalations.ByPager:
		err = s.pageOutside(ctx, j, means, to)
	default:
		err = s.bot.Notify(ctx, j.Stream, j.Key, desk.Cause(j.Cause()), j.Attempts)
	}
	var later *bot.Later
	var limited *slack.RateLimited
	if err != nil && (errors.As(err, &later) || errors.As(err, &limited)) {
		return paced(j, err)
	}
	if err != nil && ctx.Err() == nil && j.Attempts+1 >= pageTries {
		s.log.WarnContext(ctx, "a page is given up; the next step is taken if nobody of this one was told", "stream", j.Stream, "notice", j.Key, "err", err)
		e := workflows.NoticeUndelivered{Notice: j.Key, Why: "it could not be sent by " + means}
		err = s.desk.Undelivered(ctx, desk.Cause(j.Cause()), j.Stream, e)
	}
	if err == nil {
		s.sayNumbers(ctx, j.Stream.Rest())
	}
	return err
}

// pageOutside sends an e-mail or calls a pager.
func (s *serving) pageOutside(ctx context.Context, j jobs.Job, means, to string) error {
	_, owed, err := s.desk.Notice(ctx, j.Stream, j.Key)
	if err != nil || !owed {
		return err
	}
	e, err := s.desk.Escalation(ctx, j.Stream.Rest())
	if err != nil {
		return err
	}
	subject, text := s.bot.PageText(ctx, e)
	never := func(why string) error {
		return s.desk.Undelivered(ctx, desk.Cause(j.Cause()), j.Stream, workflows.NoticeUndelivered{Notice: j.Key, Why: why})
	}
	via := viaMail
	if means == escalations.ByPager {
		via = viaPager
		p, ok := s.desk.Policy().Escalations.Pager(to)
		if !ok {
			return never("there is no pager of this name any more")
		}
		err = s.pager.call(ctx, p, pagerCall{e.ID, j.Key, subject, text, e.Opened.About, e.Opened.Incident, e.Opened.Drill, e.At.UTC.Time()})
	} else {
		x := s.desk.Policy().People[workflows.PersonID(to)]
		switch {
		case s.mail == nil:
			return never("no relay for e-mail is set up")
		case x.Email == "":
			return never("no e-mail address is on file")
		}
		err = s.mail.send(ctx, letterOut{to: x.Email, subject: subject, text: text + "\n\n" + howToAnswer(e), id: mailID(e.ID, j.Key), at: s.clock.Now().Wall})
	}
	if err != nil {
		return err
	}
	return s.desk.Delivered(ctx, desk.Cause(j.Cause()), j.Stream, workflows.NoticeDelivered{Notice: j.Key, Via: via})
}

func mailID(escalation, notice string) string {
	return escalation + "." + strings.NewReplacer("/", ".", "@", ".", "#", ".").Replace(notice)
}

func howToAnswer(e escalations.State) string {
	return "Acknowledge it in Slack with /breakglass ack " + e.ID + ", or on the bot's host with:\n  countersign escalations ack " + e.ID +
		"\nWithout that the next people are asked. A reply to this e-mail reaches nobody."
}

// sayNumbers prints whom to call when nothing of an escalation could be delivered so far.
func (s *serving) sayNumbers(ctx context.Context, id string) {
	e, err := s.desk.Escalation(ctx, id)
	if err != nil || e.Reached() > 0 || len(e.Notices()) > 0 || e.Over() {
		return
	}
	if _, said := s.called.LoadOrStore(id, true); !said {
		s.callThem(e)
	}
}

// shifts tells who comes on shift what is open.
func (s *serving) shifts(ctx context.Context, _ jobs.Job) error {
	now := workflows.StampOf(s.clock.Now().Wall)
	if _, err := s.desk.ChangeShifts(ctx, now.Add(-shiftsSince), now, s.openMatters); err != nil {
		return err
	}
	if err := keepTree(s.cfg, treeOf(s.desk.Policy(), now)); err != nil { // who is on shift has changed
		s.log.Warn("the escalation tree cannot be kept", "err", err)
	}
	return jobs.Done
}

const maxMatters = 20 // of each kind in a summary: more is for the lists

// openMatters is the summary that goes on from one shift to the next: escalations, incidents and reviews that are open, and overdue drills.
func (s *serving) openMatters(ctx context.Context) (string, error) {
	var lines []string
	list, err := s.desk.Escalations(ctx, "", false, maxMatters)
	if err != nil {
		return "", err
	}
	for _, e := range list {
		if e.Opened.About != escalations.KindHandover {
			lines = append(lines, fmt.Sprintf("Escalation %s, %s: %s.%s", e.ID, e.Status(), strings.TrimSuffix(e.Opened.What, "."), s.lookedAfter(ctx, e)))
		}
	}
	live, err := s.desk.Incidents(ctx, false, maxMatters)
	if err != nil {
		return "", err
	}
	for _, l := range live {
		lines = append(lines, fmt.Sprintf("Incident %s, SEV-%d: %s. Commander: %s.", l.ID, l.Severity, strings.TrimSuffix(l.Opened.Title, "."), orNobodyName(s.commanderOf(ctx, l))))
	}
	open, err := s.desk.Reviews(ctx, "", maxMatters)
	if err != nil {
		return "", err
	}
	for _, r := range open {
		lines = append(lines, fmt.Sprintf("Review %s of %s, due %s: %s.", r.ID, r.Opened.Incident, day(r.Opened.DueAt), s.desk.Name(ctx, r.Opened.Owner)))
	}
	drills, err := s.desk.OverdueDrills(ctx, workflows.StampOf(s.clock.Now().Wall))
	if err != nil {
		return "", err
	}
	for _, d := range drills[:min(len(drills), maxMatters)] {
		lines = append(lines, bot.DrillWords(d).String())
	}
	if len(lines) == 0 {
		return "Nothing is open.", nil
	}
	return strings.Join(lines, "\n"), nil
}

func orNobodyName(name string) string {
	if name == "" {
		return "nobody"
	}
	return name
}

func (s *serving) lookedAfter(ctx context.Context, e escalations.State) string {
	if len(e.Acks) == 0 {
		return ""
	}
	return " " + s.desk.Name(ctx, e.Acks[len(e.Acks)-1].By) + " looks after it."
}

// drillHealth says which drills are overdue. That is no reason not to serve.
func (s *serving) drillHealth() (bool, screens.Sentence) {
	ctx, cancel := context.WithTimeout(context.Background(), metricPatience)
	defer cancel()
	list, err := s.desk.OverdueDrills(ctx, workflows.StampOf(s.clock.Now().Wall))
	if err != nil {
		return true, screens.Sentencef("whether drills are overdue cannot be read just now")
	}
	if len(list) == 0 {
		return true, screens.Sentencef("none is overdue")
	}
	names := make([]string, 0, len(list))
	for _, d := range list {
		names = append(names, string(d.Runbook)+d.Path)
	}
	if len(list) == 1 {
		return true, screens.Sentencef("1 drill OVERDUE: %s", names[0])
	}
	return true, screens.Sentencef("%d drills OVERDUE: %s", len(list), strings.Join(names, ", "))
}

// escalationSeen is an escalation as a script reads it. Times are UTC.
type escalationSeen struct {
	ID       string     `json:"id"`
	About    string     `json:"about"`
	Status   string     `json:"status"`
	Path     string     `json:"path"`
	Where    string     `json:"where"`
	Subject  string     `json:"subject"`
	Incident string     `json:"incident,omitempty"`
	Drill    bool       `json:"drill,omitempty"`
	Opened   string     `json:"opened_at"`
	Next     string     `json:"next_at,omitempty"`
	Acks     []string   `json:"acknowledged_by,omitempty"`
	Steps    []stepSeen `json:"steps,omitempty"`
}

type stepSeen struct {
	Step    int        `json:"step"`
	Round   int        `json:"round"`
	At      string     `json:"at"`
	Because string     `json:"because"`
	Pages   []pageSeen `json:"pages"`
}

type pageSeen struct {
	By    string `json:"by"`
	To    string `json:"to"`
	State string `json:"state"` // delivered, not delivered, on its way
	Why   string `json:"why,omitempty"`
}

func (s *serving) escalationData(ctx context.Context, e escalations.State, steps bool) escalationSeen {
	subject, _ := s.bot.PageText(ctx, e)
	out := escalationSeen{
		ID: e.ID, About: e.Opened.About, Status: e.Status(), Path: e.Opened.Path, Where: e.Place(), Subject: subject, Incident: e.Opened.Incident,
		Drill: e.Opened.Drill, Opened: day(e.At.UTC), Next: day(escalations.NextWake(e)),
	}
	for _, a := range e.Acks {
		out.Acks = append(out.Acks, s.desk.Name(ctx, a.By))
	}
	if !steps {
		return out
	}
	for k, t := range e.Taken {
		x := stepSeen{Step: t.Step, Round: t.Round, At: day(t.At), Because: t.Because}
		for _, n := range e.Pages(k) {
			means, to := escalations.MeansOf(n.ID)
			if n.To != "" {
				to = s.desk.Name(ctx, n.To)
			}
			p := pageSeen{By: means, To: to, State: "on its way"}
			switch d, done := e.Delivered[n.ID]; {
			case done && d.OK:
				p.State = "delivered"
			case done:
				p.State, p.Why = "not delivered", d.Why
			case e.Quiet():
				p.State = "not needed any more"
			}
			x.Pages = append(x.Pages, p)
		}
		out.Steps = append(out.Steps, x)
	}
	return out
}

func (s *serving) cliEscalations(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	if o.What == actList {
		return s.escalationList(ctx, by, o.Args["all"] == "yes")
	}
	if o.What == actDrill {
		id, no, err := s.desk.DrillPath(ctx, cause, by, viaCLI, o.ID)
		if err != nil || no != nil {
			return maybeRefused(no), err
		}
		return s.escalationReply(ctx, id, "The drill has begun. It counts once somebody who is asked acknowledges it; you cannot.")
	}
	id, no, err := s.desk.EscalationByWord(ctx, by.Person, strings.ToLower(o.ID))
	if err != nil {
		return reply{}, err
	}
	if no != nil {
		return s.refuse(ctx, cause, by, "acknowledge", no)
	}
	switch o.What {
	case actShow:
		e, err := s.desk.Escalation(ctx, id)
		if err != nil {
			return reply{}, err
		}
		if !containsPerson(e.Parties(), by.Person) && !containsPerson(e.Opened.Whose, by.Person) && !s.hasAnyRole(ctx, by.Person, desk.RoleSecurity, desk.RoleAuditor, desk.RoleOwner) {
			return refusedReply(workflows.Unknown()), nil
		}
		return s.escalationReply(ctx, id, "")
	case actAck, actClose:
		c := desk.Ack{Cause: cause, By: by, ID: id, Words: o.Reason, Authn: unixPeer, Channel: viaCLI}
		do, text := s.desk.Acknowledge, "Recorded: you look after it, and nobody else is woken."
		if o.What == actClose {
			do, text = s.desk.CloseEscalation, "Recorded: it is closed."
		}
		a, err := do(ctx, c)
		if err != nil || a.Refusal != nil {
			return maybeRefused(a.Refusal), err
		}
		return s.escalationReply(ctx, id, text)
	}
	return refusedReply(workflows.Refuse(workflows.CodeBadField, "There is no such thing to do with an escalation.", "")), nil
}

func maybeRefused(no *workflows.Refusal) reply {
	if no == nil {
		return reply{}
	}
	return refusedReply(no)
}

func containsPerson(list []workflows.PersonID, p workflows.PersonID) bool {
	for _, x := range list {
		if x == p && p != "" {
			return true
		}
	}
	return false
}

func (s *serving) escalationReply(ctx context.Context, id, text string) (reply, error) {
	e, err := s.desk.Escalation(ctx, id)
	if err != nil {
		return reply{}, err
	}
	x := s.escalationData(ctx, e, true)
	out := reply{OK: true, ID: id, Status: x.Status, Text: text}
	out.Lines = append(out.Lines, fmt.Sprintf("%s: %s", strings.ReplaceAll(x.About, "_", " "), x.Subject))
	for _, st := range x.Steps {
		out.Lines = append(out.Lines, fmt.Sprintf("%s  step %d, round %d (%s)", st.At, st.Step, st.Round, st.Because))
		for _, p := range st.Pages {
			line := fmt.Sprintf("    %-8s %-28s %s", p.By, p.To, p.State)
			if p.Why != "" {
				line += ": " + p.Why
			}
			out.Lines = append(out.Lines, line)
		}
	}
	for _, a := range e.Acks {
		out.Lines = append(out.Lines, fmt.Sprintf("%s  acknowledged by %s, by %s", day(a.At), s.desk.Name(ctx, a.By), a.Via))
	}
	if x.Next != "" {
		out.Lines = append(out.Lines, "the next step is taken at "+x.Next)
	}
	return withData(out, x)
}

func (s *serving) escalationList(ctx context.Context, by workflows.Acting, all bool) (reply, error) {
	sees := s.hasAnyRole(ctx, by.Person, desk.RoleSecurity, desk.RoleAuditor, desk.RoleOwner)
	if all && !sees {
		return refusedReply(workflows.Refuse(workflows.CodeNotEligible, "All escalations are for owners, security and auditors.", "Without -all you see those that you were asked about, and those about what you did.")), nil
	}
	list, err := s.desk.Escalations(ctx, "", all, maxIncidentList)
	if err != nil {
		return reply{}, err
	}
	if !sees { // whose doing it is sees whether anybody looks after it, as with show
		list = slices.DeleteFunc(list, func(e escalations.State) bool {
			return !containsPerson(e.Parties(), by.Person) && !containsPerson(e.Opened.Whose, by.Person)
		})
	}
	out, rows := reply{OK: true}, []escalationSeen{}
	for _, e := range list {
		x := s.escalationData(ctx, e, false)
		rows = append(rows, x)
		out.Lines = append(out.Lines, fmt.Sprintf("%-18s %-12s %-18s %s  %s", x.ID, x.Status, x.About, x.Opened, x.Subject))
	}
	if len(rows) == 0 {
		out.Text = "Nothing waits for you."
	}
	return withData(out, rows)
}
