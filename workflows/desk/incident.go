package desk

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/incidents"
)

// ActOpenIncident opens an incident, for rooms that do not see incidents.
const ActOpenIncident = incidents.ActOpen

// InIncident is somebody doing something with an incident that the ledger keeps.
type InIncident struct {
	Cause    Cause
	By       workflows.Acting
	Act      string // incidents.ActOpen …
	ID       string // empty in incidents.ActOpen: the next number is taken
	Text     string // the title, why, or where it stands
	Severity int
	Room     string             // incidents.ActOpen: the channel that is told; empty: that of alarms
	Person   workflows.PersonID // whom it is about, beside who does it
	Role     string
	Authn    string
	Channel  string
}

// Incident reads an incident that the ledger keeps. There being none is workflows.ErrNoStream.
func (d *Desk) Incident(ctx context.Context, id string) (incidents.Live, error) {
	if !incidents.IsIncidentName(id) {
		return incidents.Live{}, workflows.ErrNoStream
	}
	h, err := d.ledger.History(ctx, incidents.StreamOf(id))
	if err != nil {
		return incidents.Live{}, err
	}
	return incidents.FoldIncident(h)
}

// Incidents reads the incidents that are open, or all, newest first; limit 0 is all of them.
func (d *Desk) Incidents(ctx context.Context, all bool, limit int) ([]incidents.Live, error) {
	list := incidents.ListIncidentsOpen
	if all {
		list = incidents.ListIncidents
	}
	read := func(s workflows.StreamID) (incidents.Live, error) { return d.Incident(ctx, s.Rest()) }
	return listed(ctx, d, list, "", limit, read, func(i incidents.Live) workflows.Instant { return i.At })
}

// DoInIncident opens an incident or does something in one, and gives its name. What was granted for a closed one is ended by the job that the
// closing owes, so that a crash in between loses nothing.
func (d *Desk) DoInIncident(ctx context.Context, c InIncident) (string, Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	type done struct {
		id string
		a  Answer
	}
	out, err := again(func() (done, error) {
		id, a, err := d.inIncident(ctx, c)
		return done{id, a}, err
	})
	return out.id, out.a, err
}

func (d *Desk) inIncident(ctx context.Context, c InIncident) (string, Answer, error) {
	named := c.ID != ""
	if c.Act == incidents.ActOpen && !named {
		var err error
		if c.ID, err = d.nextIncident(ctx); err != nil {
			return "", Answer{}, err
		}
	}
	if !incidents.IsIncidentName(c.ID) {
		r := workflows.Refuse(workflows.CodeUnknown, "An incident is named like INC-7.", "`/incident list` shows the open ones.")
		no, err := d.Refuse(ctx, c.Cause, c.By, "incident "+c.Act, c.Channel, c.ID, r)
		return c.ID, Answer{Refusal: no}, err
	}
	if source := d.taskSource(c.ID); source != nil && named && c.Act == incidents.ActOpen {
		no, err := d.Refuse(ctx, c.Cause, c.By, "incident open", c.Channel, c.ID, workflows.Refuse(workflows.CodeDecided, "Incidents of this name are kept by "+source.Name()+".", "Leave the name out, and the next number is taken."))
		return c.ID, Answer{Refusal: no}, err
	}
	act := d.doing(ctx, c)
	stream := incidents.StreamOf(c.ID)
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		if len(f.Histories[stream]) > 0 && c.Act == incidents.ActOpen && !named {
			return workflows.Outcome{}, workflows.ErrAskAgain // somebody took the number meanwhile
		}
		return incidents.Do(f, act)
	})
	if errors.Is(err, workflows.ErrNoStream) {
		no, err := d.Refuse(ctx, c.Cause, c.By, "incident "+c.Act, c.Channel, c.ID, workflows.Refuse(workflows.CodeUnknown, "There is no incident "+c.ID+" here.", "Open it first."))
		return c.ID, Answer{Refusal: no}, err
	}
	for _, r := range res.Records {
		if r.Stream.Kind() == workflows.KindIncident {
			c.ID = r.Stream.Rest() // of an order that was sent twice: the first one's
		}
	}
	return c.ID, Answer{Refusal: res.Refusal, Records: res.Records}, err
}

func (d *Desk) doing(ctx context.Context, c InIncident) incidents.Doing {
	act := incidents.Doing{
		By: c.By, Standing: d.standing(ctx, c.By), Act: c.Act, ID: c.ID, Text: strings.TrimSpace(cleaned(c.Text)), Severity: c.Severity, Room: c.Room,
		Person: c.Person, Role: c.Role, Security: d.HasRole(ctx, RoleSecurity, c.By.Person), Authn: c.Authn, Channel: c.Channel,
	}
	if act.Room == "" {
		act.Room = d.Policy().Settings.SecurityChannel
	}
	d.incidentRights(ctx, &act)
	if c.Person != "" && c.Person != c.By.Person {
		s, err := d.directory.StandingOf(ctx, c.Person)
		if err != nil {
			d.log.WarnContext(ctx, "standing not known", "person", c.Person, "err", err)
		}
		act.Other = s
	}
	return act
}

// incidentRights asks whether the documents let somebody open, and somebody command an incident. Without such a list everybody may; who could
// not be asked is not on it.
func (d *Desk) incidentRights(ctx context.Context, act *incidents.Doing) {
	p := d.Policy()
	on := func(sel *workflows.Selector, who workflows.PersonID) bool {
		if sel == nil {
			return true
		}
		ok, err := d.among(ctx, p, *sel, asked{}, who)
		if err != nil {
			d.log.WarnContext(ctx, "a list for incidents was not resolved", "err", err)
		}
		return ok
	}
	who := act.By.Person
	if act.Act == incidents.ActHandOver {
		who = act.Person
	}
	act.Barred = act.Act == incidents.ActOpen && !act.Security && !on(p.Settings.IncidentsOpen, who)
	act.Unfit = (act.Act == incidents.ActOpen || act.Act == incidents.ActHandOver) && !on(p.Settings.IncidentsCommand, who)
}

func (d *Desk) nextIncident(ctx context.Context) (string, error) {
	var names []string
	err := d.each(ctx, incidents.ListIncidents, "", func(s workflows.StreamID) error {
		names = append(names, s.Rest())
		return nil
	})
	return incidents.NextIncident(names), err
}

// SettleIncident ends everything that was given for a closed incident, by a runbook or by a chain whose access hangs on it, and records that.
func (d *Desk) SettleIncident(ctx context.Context, cause Cause, id string) error {
	s, err := d.Incident(ctx, id)
	if err != nil || s.Closed == nil || s.Settled != nil {
		return err
	}
	n, err := d.CloseTask(ctx, cause, workflows.System, id)
	if err != nil {
		return err
	}
	_, err = d.update(ctx, sub(cause, "settled"), []workflows.StreamID{incidents.StreamOf(id)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return incidents.Settle(f, id, n)
	})
	return err
}

// incidentTask takes an incident for a task of another system: a pager service, a tracker, a service of one's own.
func (d *Desk) incidentTask(ctx context.Context, ref string) incidents.Incident {
	source := d.taskSource(ref)
	if source == nil {
		return incidents.Incident{Why: "nobody here keeps an incident of this name"}
	}
	t, err := source.Task(ctx, ref)
	if err != nil {
		d.log.WarnContext(ctx, "an incident could not be asked about", "incident", ref, "source", source.Name(), "err", err)
		return incidents.Incident{Why: source.Name() + " could not be asked just now"}
	}
	if !t.Exists {
		return incidents.Incident{Why: source.Name() + " has none of this name"}
	}
	out := incidents.Incident{Known: true, Open: t.Open, Title: t.Title, Source: source.Name(), Severity: severityIn(t.Status)}
	for i, mail := range t.Assignees {
		if p := d.personOfMail(mail); p != "" && i == 0 {
			out.Commander = p
		} else if p != "" {
			out.Executors = append(out.Executors, p)
		}
	}
	return out
}

func (d *Desk) personOfMail(mail string) workflows.PersonID {
	for id, p := range d.Policy().People {
		if p.Email != "" && strings.EqualFold(p.Email, mail) {
			return id
		}
	}
	return ""
}

// severityIn reads the severity that a source puts into its status: "triggered, P2", "open SEV-1"; 0 when it says none.
func severityIn(status string) int {
	for _, w := range strings.FieldsFunc(strings.ToUpper(status), func(r rune) bool { return r == ' ' || r == ',' || r == '(' || r == ')' }) {
		for _, prefix := range []string{"SEV-", "SEV", "P"} {
			if n, err := strconv.Atoi(strings.TrimPrefix(w, prefix)); err == nil && strings.HasPrefix(w, prefix) && n >= 1 && n <= 5 {
				return n
			}
		}
	}
	return 0
}
