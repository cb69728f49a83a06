package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// Incidents through the people's socket: what /incident does, without Slack.

const (
	doIncident = "incident"

	actList = "list"
	actShow = "show"

	maxIncidentWords = 400 // words of a title or summary that was not quoted
	maxIncidentList  = 200 // of incident list; more is for the ledger's own search
)

// incidentOrderPart is what an order about an incident says beside ID and Reason.
type incidentOrderPart struct {
	Act      string `json:"act"` // incidents.ActOpen …, or "list", "show"
	Severity int    `json:"severity,omitempty"`
	Role     string `json:"role,omitempty"`
	Person   string `json:"person,omitempty"` // key or e-mail address
	Room     string `json:"room,omitempty"`
	All      bool   `json:"all,omitempty"`
}

func (s *serving) cliIncident(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	in := o.Incident
	switch {
	case in == nil:
		return refusedReply(workflows.Refuse(workflows.CodeBadField, "Nobody said what to do with the incident.", "")), nil
	case in.Act == actList:
		return s.incidentList(ctx, in.All)
	case in.Act == actShow:
		return s.incidentShow(ctx, by, o.ID)
	}
	c := desk.InIncident{
		Cause: cause, By: by, Act: in.Act, ID: o.ID, Text: o.Reason, Severity: in.Severity, Room: in.Room, Role: in.Role, Authn: unixPeer, Channel: viaCLI,
	}
	if in.Person != "" {
		if c.Person = s.personNamed(in.Person); c.Person == "" {
			return s.refuse(ctx, cause, by, "incident "+in.Act, workflows.Refuse(workflows.CodeUnknown, "There is no such person in the people file.", "Name them by their key or e-mail address."))
		}
	}
	id, a, err := s.desk.DoInIncident(ctx, c)
	if err != nil {
		return reply{}, err
	}
	if a.Refusal != nil {
		return refusedReply(a.Refusal), nil
	}
	live, err := s.desk.Incident(ctx, id)
	if err != nil {
		return reply{}, err
	}
	out := reply{OK: true, ID: id, Status: openness(live), Text: incidentDone(in.Act, id, len(a.Records))}
	switch {
	case in.Act == incidents.ActOpen && live.Commander == by.Person:
		out.Text = id + " is open and you command it."
	case in.Act == incidents.ActOpen && live.Commander == "":
		out.Text = id + " is open, and nobody commands it yet: you are not among those who may. One of them takes it over with countersign incident handover " + id + " KEY SUMMARY, naming themselves."
	}
	return withData(out, s.incidentData(ctx, live))
}

func incidentDone(act, id string, recorded int) string {
	switch {
	case recorded == 0:
		return "Nothing changed: " + id + " stood like that already."
	case act == incidents.ActOpen:
		return id + " is open."
	case act == incidents.ActClose:
		return id + " is closed. What was granted for it is being taken back."
	}
	return "Recorded: " + act + " of " + id + "."
}

// incidentSeen is an incident as a script reads it. Times are UTC.
type incidentSeen struct {
	ID        string   `json:"id"`
	Title     string   `json:"title"`
	Status    string   `json:"status"`
	Severity  int      `json:"severity"`
	Commander string   `json:"commander"`
	Executors []string `json:"executors,omitempty"`
	Scribes   []string `json:"scribes,omitempty"`
	Room      string   `json:"channel,omitempty"`
	Opened    string   `json:"opened_at"`
	Closed    string   `json:"closed_at,omitempty"`
	Ended     *int     `json:"grants_ended,omitempty"`

	Timeline []reportLine `json:"timeline,omitempty"`
}

// commanderOf is the name of who commands an incident; empty while nobody does.
func (s *serving) commanderOf(ctx context.Context, l incidents.Live) string {
	if l.Commander == "" {
		return ""
	}
	return s.desk.Name(ctx, l.Commander)
}

func openness(l incidents.Live) string {
	if l.Closed != nil {
		return "closed"
	}
	return "open"
}

func (s *serving) incidentData(ctx context.Context, l incidents.Live) incidentSeen {
	names := func(list []workflows.PersonID) (out []string) {
		for _, p := range list {
			out = append(out, s.desk.Name(ctx, p))
		}
		return out
	}
	out := incidentSeen{
		ID: l.ID, Title: l.Opened.Title, Status: openness(l), Severity: l.Severity, Commander: orNobodyName(s.commanderOf(ctx, l)),
		Executors: names(l.Executors), Scribes: names(l.Scribes), Room: l.Opened.Room, Opened: day(l.At.UTC), Closed: day(l.ClosedAt.UTC),
	}
	if l.Settled != nil {
		out.Ended = &l.Settled.Grants
	}
	return out
}

func (s *serving) incidentList(ctx context.Context, all bool) (reply, error) {
	list, err := s.desk.Incidents(ctx, all, maxIncidentList)
	if err != nil {
		return reply{}, err
	}
	out, rows := reply{OK: true}, []incidentSeen{}
	for _, l := range list {
		x := s.incidentData(ctx, l)
		rows = append(rows, x)
		out.Lines = append(out.Lines, fmt.Sprintf("%-10s SEV-%d  %-6s  since %s  commander %s: %s", x.ID, x.Severity, x.Status, x.Opened, x.Commander, x.Title))
	}
	if len(rows) == 0 {
		out.Text = "No incident is open."
	}
	return withData(out, rows)
}

// incidentShow tells an incident with its timeline, out of the ledger, to its crew, security and auditors; the head of it to everybody.
func (s *serving) incidentShow(ctx context.Context, by workflows.Acting, id string) (reply, error) {
	l, err := s.desk.Incident(ctx, id)
	if errors.Is(err, workflows.ErrNoStream) {
		return refusedReply(workflows.Refuse(workflows.CodeUnknown, "There is no such incident here.", "countersign incident list -all shows all.")), nil
	}
	if err != nil {
		return reply{}, err
	}
	x := s.incidentData(ctx, l)
	out := reply{OK: true, ID: id, Status: x.Status}
	add := func(format string, args ...any) { out.Lines = append(out.Lines, fmt.Sprintf(format, args...)) }
	add("%s  SEV-%d  %s: %s", x.ID, x.Severity, x.Status, x.Title)
	add("commander %s; executors %s; scribes %s", x.Commander, crewNames(x.Executors), crewNames(x.Scribes))
	if !l.Crew(by.Person) && !s.hasAnyRole(ctx, by.Person, desk.RoleSecurity, desk.RoleAuditor) {
		add("the timeline is for its crew, security and auditors; join it to see it")
		return withData(out, x)
	}
	b := reporting{s: s, names: map[workflows.PersonID]string{}}
	r, _, err := b.report(ctx, id, by.Person)
	if err != nil {
		return reply{}, err
	}
	x.Timeline = r.Timeline
	for _, line := range r.Timeline {
		add("%s  [%d] %s", line.At, line.Entry, line.Says)
	}
	return withData(out, x)
}

func crewNames(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// live adds the incident itself to a report, where the ledger keeps it; true when the reader works on it.
func (b *reporting) live(ctx context.Context, id string, reader workflows.PersonID) (known, crew bool, err error) {
	l, err := b.s.desk.Incident(ctx, id)
	if errors.Is(err, workflows.ErrNoStream) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	for _, p := range append(append([]workflows.PersonID{l.Commander, l.By}, l.Executors...), l.Scribes...) {
		b.name(ctx, p)
	}
	return true, l.Crew(reader), b.read(ctx, incidents.StreamOf(id), everyEntry)
}

// settleIncident ends what was given for a closed incident. It goes on in spite of a crash: the job stays until that is recorded.
func (s *serving) settleIncident(ctx context.Context, j jobs.Job) error {
	return s.desk.SettleIncident(ctx, desk.Cause(j.Cause()), j.Stream.Rest())
}
