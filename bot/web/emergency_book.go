package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// fieldData is a field of a runbook's form with what was typed into it.
type fieldData struct {
	workflows.Field
	Value string
	Lines []choice // what can be chosen
}

// choice is one line of a menu.
type choice struct {
	Key, Name string
	Chosen    bool
}

func fieldsOf(list []workflows.Field) (out []fieldData) {
	for _, f := range list {
		out = append(out, fieldData{Field: f})
	}
	return out
}

// bookData is a runbook before the glass is broken.
type bookData struct {
	ID, Title, Purpose, UseWhen, DoNot, What, Long, Ends, Notify, Incident, Reason, Nonce string
	Fields                                                                                []fieldData
	Steps                                                                                 any // what the text says to do, one after the other
	Confirm                                                                               bool
	Around, Glass                                                                         bool   // may go around a condition that fails; does so
	GlassLong                                                                             string // how long the access lasts then

	Apart    bool     // somebody else carries it out
	People   []choice // who could
	Executor string   // who will
	Why, Fix string   // why what was typed is not enough, and what to do
	Failed   []string // conditions that do not hold
	Needed   []string // why a second person has to agree
	Told     string
	Review   string // who reviews it by when
	Drill    string // since when its drill is overdue
	Open     []incidentRow
}

func (s *Server) book(r *http.Request, x session) (bookData, *workflows.Refusal, error) {
	id := workflows.RunbookID(r.PathValue("id"))
	books, err := s.c.Desk.Runbooks(r.Context(), x.proof.by.Person, s.c.Product())
	if err != nil {
		return bookData{}, nil, err
	}
	for _, b := range books {
		if book := b.Book.Runbook; book.ID == id && (b.May || b.Around) {
			if b.No != nil && !b.Around {
				return bookData{}, b.No, nil
			}
			d := bookData{
				ID: string(id), Title: book.Title, Purpose: book.Purpose, UseWhen: book.UseWhen, DoNot: book.DoNotUseWhen, Long: book.Longest.String(),
				What: gives(b.Book), Ends: s.when(s.c.Product().Add(book.Longest.Duration()), x), Notify: book.Notify,
				Fields: fieldsOf(book.Fields), Steps: b.Book.Outline(), Around: b.Around, Apart: book.Apart,
			}
			if b.Around {
				d.GlassLong = min(book.Longest, book.BreakGlass.Longest).String()
			}
			if due := b.State.DrillDue(book); due != 0 && s.c.Product().After(due) {
				d.Drill = s.when(due, x)
			}
			return d, nil, s.crew(r.Context(), x, &d)
		}
	}
	return bookData{}, workflows.Refuse(workflows.CodeUnknown, "There is no such runbook, or you are not on its list of invokers.", ""), nil
}

// crew finds who could carry the runbook out where whoever invokes it does not.
func (s *Server) crew(ctx context.Context, x session, d *bookData) error {
	if !d.Apart {
		return nil
	}
	seen, _, err := s.c.Desk.Foresee(ctx, desk.Invocation{By: x.proof.by, Runbook: workflows.RunbookID(d.ID), Authn: x.proof.authn, Channel: viaWeb})
	people := s.c.Desk.Policy().People
	for _, p := range seen.In.Situation.Others {
		d.People = append(d.People, choice{Key: people[p].Key, Name: people[p].Name})
	}
	return err
}

// when is a moment in UTC and on the clock of who reads it.
func (s *Server) when(at workflows.Stamp, x session) string {
	zone := s.c.Desk.Policy().People[x.proof.by.Person].Zone
	if loc, err := time.LoadLocation(zone); err == nil && zone != "" && zone != "UTC" {
		return clock(at) + " (" + at.Time().In(loc).Format("15:04 Monday") + " in " + zone + ")"
	}
	return clock(at)
}

// runbook is the form of one runbook.
func (s *Server) runbook(w http.ResponseWriter, r *http.Request) {
	x, ok := s.person(w, r)
	if !ok {
		return
	}
	d, no, err := s.book(r, x)
	switch {
	case err != nil:
		s.failed(w, "runbook", err)
	case no != nil:
		s.refused(w, no)
	default:
		if list, err := s.incidentRows(r.Context()); err == nil && len(list) == 1 {
			d.Incident = list[0].ID // there is one that it can be for
		}
		s.form(w, http.StatusOK, x, d, r)
	}
}

// form shows the form, with what was typed before.
func (s *Server) form(w http.ResponseWriter, status int, x session, d bookData, r *http.Request) {
	var err error
	if d.Open, err = s.incidentRows(r.Context()); err != nil {
		s.c.Log.Warn("the open incidents cannot be listed", "err", err)
	}
	for i, f := range d.Fields {
		for _, c := range f.Choices {
			d.Fields[i].Lines = append(d.Fields[i].Lines, choice{c, c, c == f.Value})
		}
	}
	for i := range d.People {
		d.People[i].Chosen = d.People[i].Key == d.Executor
	}
	d.Nonce = random(16)
	s.show(w, status, "runbook", page{Title: d.Title, Token: x.token, Data: d})
}

// invoke shows once more what will happen, and breaks the glass when that was confirmed.
func (s *Server) invoke(w http.ResponseWriter, r *http.Request) {
	x, ok := s.person(w, r)
	if !ok {
		return
	}
	d, no, err := s.book(r, x)
	if err != nil {
		s.failed(w, "runbook", err)
		return
	}
	if no != nil { // the desk refuses, too, and that is recorded
		d = bookData{ID: r.PathValue("id")}
	}
	in := s.typed(r, x, &d)
	if no == nil && r.PostFormValue("confirm") != "yes" {
		s.confirm(w, r, x, d, in)
		return
	}
	res, err := s.c.Desk.Invoke(r.Context(), in)
	switch {
	case err != nil:
		s.failed(w, "runbook", err)
	case res.Refusal != nil:
		s.refused(w, res.Refusal)
	default:
		s.invoked(w, r, x, d, res)
	}
}

// typed reads the form, and keeps what was typed for showing it again.
func (s *Server) typed(r *http.Request, x session, d *bookData) desk.Invocation {
	d.Incident, d.Reason, d.Executor = strings.TrimSpace(r.PostFormValue("incident")), strings.TrimSpace(r.PostFormValue("reason")), r.PostFormValue("executor")
	d.Glass = d.Around && r.PostFormValue("tier") == desk.TierBreakGlass
	in := desk.Invocation{
		Cause: causeOf(x, r), By: x.proof.by, Runbook: workflows.RunbookID(d.ID), Incident: d.Incident, Reason: d.Reason, Values: make(map[string]string, len(d.Fields)),
		Authn: x.proof.authn, Channel: viaWeb,
	}
	for i := range d.Fields {
		f := &d.Fields[i]
		f.Value = r.PostFormValue("field." + f.Name)
		in.Values[f.Name] = f.Value
	}
	if d.Glass {
		in.Tier = desk.TierBreakGlass
	}
	if d.Executor == "" {
		return in
	}
	in.Executor = "p_unknown" // whom no runbook lists
	for id, p := range s.c.Desk.Policy().People {
		if p.Key == d.Executor {
			in.Executor = id
		}
	}
	return in
}

// confirm says what an invocation would come to now. What would be refused is recorded as refused, and the form comes again with what was typed.
func (s *Server) confirm(w http.ResponseWriter, r *http.Request, x session, d bookData, in desk.Invocation) {
	ctx := r.Context()
	seen, _, err := s.c.Desk.Foresee(ctx, in)
	if err != nil {
		s.failed(w, "runbook", err)
		return
	}
	for _, c := range seen.Assessment.Failed() {
		d.Failed = append(d.Failed, c.Says)
	}
	if no := seen.Refusal; no != nil {
		if no, err = s.c.Desk.Refuse(ctx, in.Cause, in.By, "break glass", viaWeb, d.Incident, no); err != nil {
			s.failed(w, "runbook", err)
			return
		}
		d.Why, d.Fix = no.Sentence, no.Next
		s.form(w, http.StatusForbidden, x, d, r)
		return
	}
	d.Confirm, d.Needed, d.Long, d.Ends = true, seen.Assessment.Needed, seen.In.Lasts().String(), s.when(seen.Now.Add(seen.In.Lasts().Duration()), x)
	var told []string
	for _, p := range append(slices.Clone(seen.In.Skipped), seen.In.Situation.Told...) {
		if name := s.c.Desk.Name(ctx, p); p != x.proof.by.Person && !slices.Contains(told, name) {
			told = append(told, name)
		}
	}
	d.Told = cmp.Or(strings.Join(told, ", "), "nobody by name")
	d.Review = s.c.Desk.Name(ctx, seen.In.Owner) + ", due by " + s.when(seen.Now.Add(seen.In.ReviewDue().Duration()), x)
	if v := seen.Assessment.Review; v != "" {
		d.Review = "it falls under review " + string(v) + " of the same incident"
	}
	s.form(w, http.StatusOK, x, d, r)
}
