package incidents

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Live is an incident that is kept in the ledger, as its recorded events say.
type Live struct {
	ID        string // "INC-7"
	Opened    IncidentOpened
	At        workflows.Instant
	By        workflows.PersonID
	Severity  int
	Commander workflows.PersonID
	Executors []workflows.PersonID
	Scribes   []workflows.PersonID
	Closed    *IncidentClosed
	ClosedAt  workflows.Instant
	Settled   *IncidentSettled
	Delivered map[string]workflows.Delivery
	Seq       int64
	news      []workflows.Notice // what was owed at any time
}

// StreamOf is the stream of an incident by its name.
func StreamOf(id string) workflows.StreamID {
	return workflows.StreamID(workflows.KindIncident + "/" + id)
}

// IsIncidentName tells whether a word can name an incident of the ledger: letters, a hyphen, digits.
func IsIncidentName(word string) bool { return incidentName().MatchString(word) }

func incidentName() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Z][A-Z0-9]{0,15}-[1-9][0-9]{0,8}$`)
}

// NextIncident is the name for a new incident beside those that there are.
func NextIncident(names []string) string {
	highest := 0
	for _, name := range names {
		if n, err := strconv.Atoi(strings.TrimPrefix(name, incidentPrefix)); err == nil && strings.HasPrefix(name, incidentPrefix) {
			highest = max(highest, n)
		}
	}
	return incidentPrefix + strconv.Itoa(highest+1)
}

// FoldIncident turns the history of an incident into its state; it refuses gaps, foreign events and whatever comes after its end.
func FoldIncident(h []workflows.Record) (Live, error) {
	s := Live{Delivered: map[string]workflows.Delivery{}}
	if len(h) == 0 {
		return s, workflows.ErrNoStream
	}
	if err := workflows.CheckSeq(h); err != nil {
		return Live{}, err
	}
	for _, r := range h {
		if err := s.apply(r); err != nil {
			return Live{}, fmt.Errorf("folding %q at seq %d: %w", r.Stream, r.Seq, err)
		}
		s.Seq = r.Seq
	}
	return s, nil
}

func (s *Live) apply(r workflows.Record) error {
	switch e := r.Event.(type) {
	case workflows.NoticeDelivered:
		s.Delivered[e.Notice] = workflows.Delivery{OK: true, Via: e.Via, Place: e.Place, At: r.At, Seq: r.Seq}
		return nil
	case workflows.NoticeUndelivered:
		s.Delivered[e.Notice] = workflows.Delivery{Why: e.Why, At: r.At, Seq: r.Seq}
		return nil
	case IncidentOpened:
		if s.ID != "" {
			return fmt.Errorf("%s twice", e.Kind())
		}
		s.ID, s.Opened, s.At, s.By = r.Stream.Rest(), e, r.At, r.Person
		s.Severity, s.Commander = e.Severity, r.Person
		if e.Uncommanded {
			s.Commander = ""
		}
		s.tell(r, "")
		return nil
	case IncidentSettled:
		if s.Closed == nil || s.Settled != nil {
			return fmt.Errorf("%s out of place", e.Kind())
		}
		s.Settled = &e
		return nil
	}
	if s.ID == "" || s.Closed != nil {
		return fmt.Errorf("%s on an incident that is not open", r.Event.Kind())
	}
	return s.change(r)
}

// change applies what happens while the incident is open.
func (s *Live) change(r workflows.Record) error {
	switch e := r.Event.(type) {
	case IncidentJoined:
		s.take(e)
	case SeverityChanged:
		s.Severity = e.To
		s.tell(r, "")
	case HandedOver:
		s.Commander = e.To
		s.tell(r, "")
		s.tell(r, e.To)
	case IncidentClosed:
		s.Closed, s.ClosedAt = &e, r.At
		s.tell(r, "")
	default:
		return fmt.Errorf("%s does not belong to an incident", r.Event.Kind())
	}
	return nil
}

func (s *Live) take(e IncidentJoined) {
	list := &s.Executors
	if e.Role == RoleScribe {
		list = &s.Scribes
	}
	if !slices.Contains(*list, e.Person) {
		*list = append(*list, e.Person)
	}
}

// tell owes a message about an entry to a person, or to the room.
func (s *Live) tell(r workflows.Record, to workflows.PersonID) {
	n := workflows.Notice{ID: fmt.Sprintf("%s/%d", NoticeNews, r.Seq), What: NoticeNews, Channel: s.Opened.Room, Urgent: true, Stage: int(r.Seq)}
	if to != "" {
		n.ID, n.To, n.Channel = n.ID+"/"+string(to), to, ""
	}
	if n.To != "" || n.Channel != "" {
		s.news = append(s.news, n)
	}
}

// NoticeNews tells of one entry of an incident, whose number is the notice's Stage.
const NoticeNews = "incident_news"

// JobSettle ends what was given for a closed incident; its key is "settle".
const JobSettle = "incident.settle"

// Notices are the messages that are still owed.
func (s Live) Notices() []workflows.Notice {
	return slices.DeleteFunc(slices.Clone(s.news), func(n workflows.Notice) bool { _, done := s.Delivered[n.ID]; return done })
}

// FindNotice gives an owed notice by its id; false when it is delivered or no longer owed.
func (s Live) FindNotice(id string) (workflows.Notice, bool) {
	for _, n := range s.Notices() {
		if n.ID == id {
			return n, true
		}
	}
	return workflows.Notice{}, false
}

// IncidentPending is everything the incident still owes to the world.
func IncidentPending(s Live) []workflows.Job {
	var out []workflows.Job
	if s.Closed != nil && s.Settled == nil {
		out = append(out, workflows.Job{Kind: JobSettle, Key: "settle", Lane: workflows.LaneUrgent})
	}
	for _, n := range s.Notices() {
		out = append(out, n.Job())
	}
	return out
}

// The lists of incidents.
const (
	ListIncidents     = "incidents.all"
	ListIncidentsOpen = "incidents.open"
)

// IncidentListings are the lists the incident stands on.
func IncidentListings(s Live) []workflows.Listing {
	at := int64(s.At.UTC)
	out := []workflows.Listing{{List: ListIncidents, Sort: at}}
	if s.Closed == nil {
		out = append(out, workflows.Listing{List: ListIncidentsOpen, Sort: at})
	}
	return out
}

// Crew tells whether somebody has a role in the incident.
func (s Live) Crew(p workflows.PersonID) bool {
	return p != "" && (p == s.Commander || slices.Contains(s.Executors, p) || slices.Contains(s.Scribes, p))
}

// Incident is what a runbook asks about it.
func (s Live) Incident() Incident {
	return Incident{
		Known: true, Open: s.Closed == nil, Severity: s.Severity, Title: s.Opened.Title, Commander: s.Commander, Executors: s.Executors,
		Channel: s.Opened.Room, Source: "countersign",
	}
}
